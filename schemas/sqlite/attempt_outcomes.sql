-- attempt_outcomes: attempts by how they ended, and what each sort cost.
select outcome, count(*) as attempts, sum(called) as called, coalesce(sum(cost_nanousd), 0) as cost,
  coalesce(sum(case when outcome in ('started', 'orphaned') then reserved_nanousd end), 0) as reserved,
  sum(prompt_tokens) as prompt_tokens, sum(completion_tokens) as completion_tokens
from attempt where run = (select id from run where run = ?1) group by outcome order by outcome
