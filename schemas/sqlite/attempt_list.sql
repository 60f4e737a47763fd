-- sample: all tries, oldest first.
select a.attempt, t.kind, t.place, t.revision, a.generation, a.outcome, a.code, a.message, a.started_at, a.ended_at, a.model,
  a.endpoint, a.prompt_tokens, a.cached_tokens, a.completion_tokens, a.cost_nanousd, a.reserved_nanousd
from task t join attempt a on a.task = t.id
where t.subject = (select id from subject where run = (select id from run where run = ?1) and name = ?2) order by a.started_at, a.attempt
