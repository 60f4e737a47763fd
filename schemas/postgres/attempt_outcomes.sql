-- attempt_outcomes: attempts by how they ended, and what each sort cost.
select outcome, count(*) as attempts, count(*) filter (where called) as called,
  coalesce(sum(cost_nanousd), 0)::bigint as cost,
  coalesce(sum(case when outcome in ('started', 'orphaned') then reserved_nanousd end), 0)::bigint as reserved,
  sum(prompt_tokens)::bigint as prompt_tokens, sum(completion_tokens)::bigint as completion_tokens
from attempt where run = $1 group by outcome order by outcome
