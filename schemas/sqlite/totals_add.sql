-- every intent that ends attempts or adds sections: the counters move in the same transaction (I6).
update run_total set sections = sections + ?2, words = words + ?3, calls = calls + ?4, failed_calls = failed_calls + ?5,
  wasted_calls = wasted_calls + ?6, orphaned_calls = orphaned_calls + ?7, throttled_calls = throttled_calls + ?8,
  prompt_tokens = prompt_tokens + ?9, cached_tokens = cached_tokens + ?10, completion_tokens = completion_tokens + ?11,
  settled_nanousd = settled_nanousd + ?12, reserved_nanousd = reserved_nanousd + ?13
where run = ?1
