-- admit: moves the sample if it is still in the expected state. A plan is made under the newest configuration.
update sample set state = ?3,
  config_version = case when ?3 = 'planning' then (select config_version from run where run.run = ?1) else config_version end
where run = ?1 and sample = ?2 and state = ?4
  and exists (select 1 from run where run.run = ?1 and run.state in ('running', 'paused'))
returning ordinal, key, revision, generation, config_version, estimate, places, filled, chain, model
