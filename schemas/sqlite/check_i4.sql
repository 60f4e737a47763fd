-- violations (I4): counted failures per task and generation (?2 = the limit).
select subject, kind || ' ' || place || ' has ' || failures || ' counted failures, the limit is ' || ?2
from task where run = ?1 and failures > ?2
union all
select subject, kind || ' ' || place || ' has ' || count(*) || ' failed attempts counted, the limit is ' || ?2
from attempt where run = ?1 and counted = 'failure' and outcome = 'failed'
group by subject, kind, place, revision, generation having count(*) > ?2
