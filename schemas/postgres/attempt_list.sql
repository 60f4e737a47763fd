-- sample: all tries, oldest first.
select attempt, kind, place, revision, generation, outcome, code, message, started_at, ended_at, model, endpoint, prompt_tokens,
  cached_tokens, completion_tokens, cost_nanousd, reserved_nanousd
from attempt where run = $1 and subject = $2 order by started_at, attempt
