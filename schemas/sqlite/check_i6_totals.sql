-- violations (I6): the counters equal a recount.
select 'counters', 'say ' || t.calls || ' calls and ' || t.completion_tokens || ' answer tokens, the attempts say '
  || a.calls || ' and ' || a.tokens
from run_total t, (select coalesce(sum(called), 0) as calls, coalesce(sum(completion_tokens), 0) as tokens
  from attempt where run = ?1) a
where t.run = ?1 and (t.calls <> a.calls or t.completion_tokens <> a.tokens)
union all
select 'samples', 'state ' || c.state || ' counts ' || c.count || ', there are ' ||
  (select count(*) from sample s where s.run = c.run and s.state = c.state)
from run_state_total c where c.run = ?1
  and c.count <> (select count(*) from sample s where s.run = c.run and s.state = c.state)
