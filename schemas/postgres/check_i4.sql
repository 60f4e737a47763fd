-- violations (I4): counted failures and crashes keep to the limits, the widest that the run ever had.
with most (attempts, crashes) as (
  select max((config::json ->> 'attempts')::bigint), max((config::json ->> 'crash_limit')::bigint)
  from run_config where run = $1)
select subject, kind || ' ' || place || ' has ' || failures || ' counted failures, the limit is ' || most.attempts
from task, most where run = $1 and failures > most.attempts
union all
select subject, kind || ' ' || place || ' has ' || task.crashes || ' counted crashes, the limit is ' || most.crashes
from task, most where run = $1 and task.crashes > most.crashes
union all
select subject, kind || ' ' || place || ' has ' || count(*) || ' failed attempts counted, the limit is ' || most.attempts
from attempt, most where run = $1 and counted = 'failure' and outcome = 'failed'
group by subject, kind, place, revision, generation, most.attempts having count(*) > most.attempts
