-- violations (I6): the counters equal a recount.
select 'counters', 'say calls, failed, wasted, orphaned, prompt, cached, answer tokens = ' || t.said || ', the attempts say '
  || a.said
from (select calls || ', ' || failed_calls || ', ' || wasted_calls || ', ' || orphaned_calls || ', ' || prompt_tokens
    || ', ' || cached_tokens || ', ' || completion_tokens as said from run_total where run = (select id from run where run = ?1)) t,
  (select coalesce(sum(called), 0) || ', ' || count(*) filter (where outcome = 'failed')
    || ', ' || count(*) filter (where outcome = 'wasted') || ', ' || count(*) filter (where outcome = 'orphaned')
    || ', ' || coalesce(sum(prompt_tokens), 0) || ', ' || coalesce(sum(cached_tokens), 0)
    || ', ' || coalesce(sum(completion_tokens), 0) as said from attempt where run = (select id from run where run = ?1)) a
where t.said <> a.said
union all
select 'samples', 'state ' || c.state || ' counts ' || c.count || ', there are ' ||
  (select count(*) from sample s where s.run = c.run and s.state = c.state)
from run_state_total c where c.run = (select id from run where run = ?1)
  and c.count <> (select count(*) from sample s where s.run = c.run and s.state = c.state)
