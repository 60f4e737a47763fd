-- finish_run: done once every sample is terminal and every range published.
update run set state = 'done', reason = null
where run = ?1 and state = 'running'
  and not exists (select 1 from run_state_total t where t.run = run.id and t.count > 0
    and t.state in ('pending', 'planning', 'planned', 'writing', 'written'))
  and not exists (select 1 from sample s where s.run = run.id
    and not exists (select 1 from shard h where h.run = run.id and h.range = s.range and h.state = 'published'))
