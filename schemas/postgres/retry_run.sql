-- retry: a done or cancelled run goes on; a runner that is at work reads the run again.
update run set control_epoch = control_epoch + 1,
  reason = case when state in ('done', 'cancelled') then null else reason end,
  state = case when state in ('done', 'cancelled') then 'running' else state end
where run = $1
