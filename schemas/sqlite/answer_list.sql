-- sample: kept answers, oldest first.
select a.attempt, t.place, k.gate, k.evidence, x.body
from task t join answer k on k.task = t.id join attempt a on a.task = k.task and a.fence = k.fence join text x on x.id = k.text
where t.subject = (select id from subject where run = (select id from run where run = ?1) and name = ?2) order by k.id
