-- load_sample: answers to this task, made for its standing context, that failed a soft gate, and parts of one.
select a.attempt, t.body, a.gate = 'part' as part
from answer a join text t on t.hash = a.hash
where a.run = $1 and a.kind = $2 and a.subject = $3 and a.place = $4 and a.revision = $5 and (a.candidate or a.gate = 'part')
  and a.context_hash = (select context_hash from task
    where run = $1 and kind = $2 and subject = $3 and place = $4 and revision = $5)
order by a.id
