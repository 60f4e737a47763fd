-- control: pause, resume, cancel.
update run set state = $2, reason = $3, control_epoch = control_epoch + 1 where run = $1
