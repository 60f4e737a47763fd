-- shares: running runs with their limits, the samples that still need calls, and whether each of these has one call at a time.
select r.run, r.limits,
  (select coalesce(sum(n.count), 0)::bigint from run_state_now n
   where n.run = r.run and n.state in ('pending', 'planning', 'planned', 'writing')) as unfinished,
  coalesce(c.config::json -> 'text' ->> 'mode' <> 'parallel', true) as serial
from run r join run_config c on c.run = r.run and c.version = r.config_version
where r.state = 'running' order by r.run
