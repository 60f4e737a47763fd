-- failures: by cause, most samples first; the example is the first in input order. The evidence is the last answer of it
-- that was turned down; a sample gate turns down a whole text, of which no answer is evidence.
with cause as (
  select state, code, count(*) as samples, min(ordinal) as ordinal from sample
  where run = $1 and state in ('failed', 'rejected') group by state, code)
select c.state, c.code, c.samples, c.ordinal, e.sample as example, e.reason,
  (select t.body from answer a join text t on t.hash = a.hash
    where a.run = $1 and a.subject = e.sample and a.gate not in ('cleaned', 'part', 'joined') and c.state = 'failed'
    order by a.id desc limit 1) as evidence
from cause c join sample e on e.run = $1 and e.ordinal = c.ordinal
order by c.samples desc, c.code, c.state
