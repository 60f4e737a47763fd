-- every intent that ends attempts or adds sections: the counters move in the same transaction (I6), each as a row of its own.
insert into run_total_delta (run, sections, words, calls, failed_calls, wasted_calls, orphaned_calls, throttled_calls,
  prompt_tokens, cached_tokens, completion_tokens, settled_nanousd, reserved_nanousd)
select * from unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
  $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[])
