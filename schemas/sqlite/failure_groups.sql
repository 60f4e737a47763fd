-- failures: by cause, most samples first; the example is the first in input order, its evidence the last answer kept.
with cause (state, code, samples, ordinal) as (
  select state, code, count(*), min(ordinal) from sample where run = ?1 and state in ('failed', 'rejected')
  group by state, code)
select cause.state, cause.code, cause.samples, e.sample as example, e.reason,
  (select t.body from answer a join text t on t.hash = a.hash where a.run = ?1 and a.subject = e.sample
    order by a.id desc limit 1) as evidence
from cause join sample e on e.run = ?1 and e.ordinal = cause.ordinal
order by cause.samples desc, cause.code, cause.state
