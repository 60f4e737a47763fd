-- retry: a done or cancelled run goes on.
update run set state = 'running', reason = null, control_epoch = control_epoch + 1
where run = ?1 and state in ('done', 'cancelled')
