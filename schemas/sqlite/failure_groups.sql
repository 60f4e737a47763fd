-- failures: by cause, most samples first; the example is the first in input order.
select s.state, s.code, count(*) as samples, min(s.ordinal) as ordinal,
  (select e.sample from sample e where e.run = ?1 and e.ordinal = min(s.ordinal)) as example,
  (select e.reason from sample e where e.run = ?1 and e.ordinal = min(s.ordinal)) as reason,
  (select t.body from answer a join text t on t.hash = a.hash where a.run = ?1 and a.subject =
    (select e.sample from sample e where e.run = ?1 and e.ordinal = min(s.ordinal)) order by a.id desc limit 1) as evidence
from sample s where s.run = ?1 and s.state in ('failed', 'rejected')
group by s.state, s.code order by samples desc, s.code, s.state
