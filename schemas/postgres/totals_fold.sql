-- the writer, now and then: changes go into the totals.
with gone as (
  delete from run_total_delta where id in (select id from run_total_delta order by id limit 20000 for update skip locked)
  returning *),
added as (
  select run, sum(sections) as sections, sum(words) as words, sum(calls) as calls, sum(failed_calls) as failed_calls,
    sum(wasted_calls) as wasted_calls, sum(orphaned_calls) as orphaned_calls, sum(throttled_calls) as throttled_calls,
    sum(prompt_tokens) as prompt_tokens, sum(cached_tokens) as cached_tokens, sum(completion_tokens) as completion_tokens,
    sum(settled_nanousd) as settled_nanousd, sum(reserved_nanousd) as reserved_nanousd
  from gone group by run)
insert into run_total as t (run, sections, words, calls, failed_calls, wasted_calls, orphaned_calls, throttled_calls,
  prompt_tokens, cached_tokens, completion_tokens, settled_nanousd, reserved_nanousd)
select * from added order by run
on conflict (run) do update set sections = t.sections + excluded.sections, words = t.words + excluded.words,
  calls = t.calls + excluded.calls, failed_calls = t.failed_calls + excluded.failed_calls,
  wasted_calls = t.wasted_calls + excluded.wasted_calls, orphaned_calls = t.orphaned_calls + excluded.orphaned_calls,
  throttled_calls = t.throttled_calls + excluded.throttled_calls,
  prompt_tokens = t.prompt_tokens + excluded.prompt_tokens, cached_tokens = t.cached_tokens + excluded.cached_tokens,
  completion_tokens = t.completion_tokens + excluded.completion_tokens,
  settled_nanousd = t.settled_nanousd + excluded.settled_nanousd,
  reserved_nanousd = t.reserved_nanousd + excluded.reserved_nanousd
