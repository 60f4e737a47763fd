-- record_failure: the attempt ends failed, or as a part, whether or not the fence holds.
update attempt set outcome = $17, code = $2, message = $3, counted = $4, ended_at = $5, endpoint = $6, model = $7,
  status = $8, called = $9, prompt_tokens = $10, cached_tokens = $11, completion_tokens = $12, reasoning_tokens = $13,
  first_token_ms = $14, total_ms = $15, cost_nanousd = $16
where attempt = $1 and outcome in ('started', 'orphaned')
returning reserved_nanousd, outcome
