-- control: new limits for a running run.
update run set limits = $2, control_epoch = control_epoch + 1 where run = $1
