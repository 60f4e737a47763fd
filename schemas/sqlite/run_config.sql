-- admit, run, retry: a version of the configuration.
select config from run_config where run = (select id from run where run = ?1) and version = ?2
