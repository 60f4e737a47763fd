-- violations (I4): counted failures and crashes keep to the limits, the widest that the run ever had.
with most (attempts, crashes) as (
  select max(config ->> '$.attempts'), max(config ->> '$.crash_limit') from run_config
  where run = (select id from run where run = ?1))
select n.name, t.kind || ' ' || t.place || ' has ' || t.failures || ' counted failures, the limit is ' || most.attempts
from task t join subject n on n.id = t.subject, most where t.run = (select id from run where run = ?1) and t.failures > most.attempts
union all
select n.name, t.kind || ' ' || t.place || ' has ' || t.crashes || ' counted crashes, the limit is ' || most.crashes
from task t join subject n on n.id = t.subject, most where t.run = (select id from run where run = ?1) and t.crashes > most.crashes
union all
select n.name, t.kind || ' ' || t.place || ' has ' || count(*) || ' failed attempts counted, the limit is ' || most.attempts
from attempt a join task t on t.id = a.task join subject n on n.id = t.subject, most
where a.run = (select id from run where run = ?1) and a.counted = 'failure' and a.outcome = 'failed'
group by a.task, a.generation having count(*) > most.attempts
