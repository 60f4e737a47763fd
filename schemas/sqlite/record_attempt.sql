-- record_result: the attempt ends. An orphaned attempt whose answer arrives after all is settled too.
update attempt set outcome = ?2, code = ?3, ended_at = ?4, endpoint = ?5, model = ?6, status = ?7, called = ?8,
  prompt_tokens = ?9, cached_tokens = ?10, completion_tokens = ?11, reasoning_tokens = ?12, first_token_ms = ?13,
  total_ms = ?14, cost_nanousd = ?15
where attempt = ?1 and outcome in ('started', 'orphaned')
returning reserved_nanousd
