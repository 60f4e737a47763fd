-- add_samples: a row whose range is closed over goes to a supplementary one (I7).
update sample set range = ?2 where subject = ?1
