-- finish_run: done once every sample is terminal and every range published.
update run set state = 'done', reason = null
where run = $1 and state = 'running'
  and not exists (select 1 from run_state_now where run = $1 and count > 0
    and state in ('pending', 'planning', 'planned', 'writing', 'written'))
  and not exists (select 1 from sample s where s.run = $1
    and not exists (select 1 from shard h where h.run = $1 and h.range = s.range and h.state = 'published'))
