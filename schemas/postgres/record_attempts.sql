-- record_result: attempts end. An orphaned attempt whose answer arrives after all is settled too. They are locked.
-- Rows: attempt, outcome, code, ended_at, endpoint, model, status, called, prompt, cached, completion, reasoning tokens,
-- first token, total ms, cost.
update attempt set outcome = ended.outcome, code = ended.code, ended_at = ended.ended_at, endpoint = ended.endpoint,
  model = ended.model, status = ended.status, called = ended.called, prompt_tokens = ended.prompt_tokens,
  cached_tokens = ended.cached_tokens, completion_tokens = ended.completion_tokens,
  reasoning_tokens = ended.reasoning_tokens, first_token_ms = ended.first_token_ms, total_ms = ended.total_ms,
  cost_nanousd = ended.cost_nanousd
from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::bigint[], $8::boolean[],
    $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[])
  as ended (attempt, outcome, code, ended_at, endpoint, model, status, called, prompt_tokens, cached_tokens,
    completion_tokens, reasoning_tokens, first_token_ms, total_ms, cost_nanousd)
where attempt.attempt = ended.attempt and attempt.outcome in ('started', 'orphaned')
returning attempt.attempt, attempt.reserved_nanousd
