-- record_result, record_failure: an attempt, and what stands at its task now. Read by position: attempt, task, sample, and then
-- what names the task.
select a.task, a.fence, a.outcome, a.reserved_nanousd, t.run, t.subject, t.generation, t.ordinal, t.state, t.context_hash,
  r.state, r.ordered, coalesce(s.places - s.filled, 0), r.run, t.kind, n.name, t.place, t.revision
from attempt a join task t on t.id = a.task join subject n on n.id = t.subject join run r on r.id = t.run
left join sample s on s.subject = t.subject
where a.attempt = ?1
