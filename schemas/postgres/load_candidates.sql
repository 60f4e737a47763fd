-- load_sample: answers to this task, made for its standing context, that failed a soft gate.
select a.attempt, t.body
from answer a join text t on t.hash = a.hash
where a.run = $1 and a.kind = $2 and a.subject = $3 and a.place = $4 and a.revision = $5 and a.candidate
  and a.context_hash = (select context_hash from task
    where run = $1 and kind = $2 and subject = $3 and place = $4 and revision = $5)
order by a.id
