-- outlines: the tries of one generation, oldest first; the columns of attempt_list.
select a.attempt, t.kind, t.place, t.revision, a.generation, a.outcome, a.code, a.message, a.started_at, a.ended_at, a.model,
  a.endpoint, a.prompt_tokens, a.cached_tokens, a.completion_tokens, a.cost_nanousd, a.reserved_nanousd
from task t join attempt a on a.task = t.id and a.generation = ?2
where t.subject = ?1 order by a.started_at, a.attempt
