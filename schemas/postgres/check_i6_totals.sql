-- violations (I6): the counters equal a recount.
select 'counters', 'say calls, failed, wasted, orphaned, prompt, cached, answer tokens = ' || t.said || ', the attempts say '
  || a.said
from (select calls || ', ' || failed_calls || ', ' || wasted_calls || ', ' || orphaned_calls || ', ' || prompt_tokens
    || ', ' || cached_tokens || ', ' || completion_tokens as said from run_total_now where run = $1) t,
  (select count(*) filter (where called) || ', ' || count(*) filter (where outcome = 'failed')
    || ', ' || count(*) filter (where outcome = 'wasted') || ', ' || count(*) filter (where outcome = 'orphaned')
    || ', ' || coalesce(sum(prompt_tokens), 0) || ', ' || coalesce(sum(cached_tokens), 0)
    || ', ' || coalesce(sum(completion_tokens), 0) as said from attempt where run = $1) a
where t.said <> a.said
union all
select 'samples', 'state ' || coalesce(c.state, n.state) || ' counts ' || coalesce(c.count, 0) || ', there are '
  || coalesce(n.count, 0)
from (select state, count from run_state_now where run = $1) c
full join (select state, count(*) as count from sample where run = $1 group by state) n on n.state = c.state
where coalesce(c.count, 0) <> coalesce(n.count, 0)
