-- record_result, record_failure: an attempt, and what stands at its task now.
select a.task, a.fence, a.outcome, a.reserved_nanousd, t.run, t.subject, r.run as run_name, t.kind, n.name, t.place, t.revision,
  t.state, t.context_hash, t.generation, t.ordinal, r.state as run_state, r.ordered
from attempt a join task t on t.id = a.task join subject n on n.id = t.subject join run r on r.id = t.run
where a.attempt = ?1
