-- run, runs, control: a run with its newest configuration.
select r.run, r.name, r.state, r.reason, r.config_version, r.limits, r.created_at, r.control_epoch, c.config,
  (select coalesce(sum(count), 0) from run_state_total t where t.run = r.id) as samples
from run r join run_config c on c.run = r.id and c.version = r.config_version
where (?1 is null or r.run = ?1) order by r.created_at desc, r.run
