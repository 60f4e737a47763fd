-- sample: kept answers, oldest first.
select a.attempt, a.place, a.gate, a.evidence, t.body
from answer a join text t on t.hash = a.hash where a.run = $1 and a.subject = $2 order by a.id
