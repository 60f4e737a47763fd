-- failures: by cause, most samples first; the example is the first in input order. The evidence is the last answer of it
-- that was turned down; a sample gate turns down a whole text, of which no answer is evidence.
with cause as (
  select run, state, code, count(*) as samples, min(ordinal) as ordinal from sample
  where run = (select id from run where run = ?1) and (state = 'failed' or state = 'rejected' or state = 'cancelled')
    and state in ('failed', 'rejected')
  group by state, code)
select c.state, c.code, c.samples, c.ordinal, n.name as example, e.reason,
  (select x.body from task t join answer k on k.task = t.id join text x on x.id = k.text
    where t.subject = e.subject and k.gate not in ('cleaned', 'part', 'joined') and c.state = 'failed'
    order by k.id desc limit 1) as evidence
from cause c join sample e on e.run = c.run and e.ordinal = c.ordinal join subject n on n.id = e.subject
order by c.samples desc, c.code, c.state
