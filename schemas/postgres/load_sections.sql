-- load_sample: the standing sections, in order.
select s.place, t.body, s.words, s.flags, s.attempt
from section s join text t on t.hash = s.hash
where s.run = $1 and s.sample = $2 and s.revision = $3
order by s.place
