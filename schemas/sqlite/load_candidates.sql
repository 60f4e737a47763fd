-- load_sample: answers to this task, made for its standing context, that failed a soft gate, and parts of one.
select a.attempt, x.body, k.gate = 'part' as part
from task t join answer k on k.task = t.id and (k.candidate = 1 or k.gate = 'part') and k.context_hash = t.context_hash
join attempt a on a.task = k.task and a.fence = k.fence join text x on x.id = k.text
where t.subject = ?1 and t.kind = ?2 and t.place = ?3 and t.revision = ?4 order by k.id
