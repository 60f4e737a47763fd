-- load_sample: the standing sections, in order.
select s.place, t.body, s.words, s.flags, s.attempt
from section s join text t on t.id = s.text
where s.subject = ?1 and s.revision = ?2
order by s.place
