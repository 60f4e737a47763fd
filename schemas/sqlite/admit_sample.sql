-- admit: moves the sample.
update sample set state = ?2, config_version = ?3 where subject = ?1
