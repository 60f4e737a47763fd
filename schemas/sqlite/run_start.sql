-- start_run: intake is over. A run that was done goes on when rows were added.
update run set state = 'running', reason = null
where run = ?1 and (state = 'pending' or (state = 'done' and exists (select 1 from run_state_total t
  where t.run = run.id and t.state in ('pending', 'planning', 'planned', 'writing', 'written') and t.count > 0)))
