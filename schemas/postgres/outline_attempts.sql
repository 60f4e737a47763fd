-- outlines: the tries of these generations, oldest first. Rows: sample, generation.
select w.position, a.attempt, a.kind, a.place, a.revision, a.generation, a.outcome, a.code, a.message, a.started_at, a.ended_at,
  a.model, a.endpoint, a.prompt_tokens, a.cached_tokens, a.completion_tokens, a.cost_nanousd, a.reserved_nanousd
from unnest($2::text[], $3::bigint[]) with ordinality as w (sample, generation, position)
join attempt a on a.run = $1 and a.subject = w.sample and a.generation = w.generation
order by w.position, a.started_at, a.attempt
