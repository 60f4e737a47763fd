-- share_slots: running runs with their limits, the samples that still need calls, whether each of these has one call at a time,
-- and the slots that the run had.
select r.run, r.limits,
  (select coalesce(sum(n.count), 0)::bigint from run_state_now n
   where n.run = r.run and n.state in ('pending', 'planning', 'planned', 'writing')) as unfinished,
  coalesce(c.config::json -> 'text' ->> 'mode' <> 'parallel', true) as serial, s.slots
from run r left join run_slots s on s.run = r.run join run_config c on c.run = r.run and c.version = r.config_version
where r.state = 'running' order by r.run
