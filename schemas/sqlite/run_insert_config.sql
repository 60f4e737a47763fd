-- create_run, control: a version of the configuration, never changed.
insert into run_config (run, version, config) values ((select id from run where run = ?1), ?2, ?3)
on conflict (run, version) do nothing
