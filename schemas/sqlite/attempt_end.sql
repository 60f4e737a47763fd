-- record_result, record_failure: the attempt ends.
update attempt set outcome = ?2, code = ?3, message = ?4, counted = ?5, ended_at = ?6, endpoint = ?7, model = ?8,
  status = ?9, called = ?10, prompt_tokens = ?11, cached_tokens = ?12, completion_tokens = ?13, reasoning_tokens = ?14,
  first_token_ms = ?15, total_ms = ?16, cost_nanousd = ?17
where task = ?1 and fence = ?18
