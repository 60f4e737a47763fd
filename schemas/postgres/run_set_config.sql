-- control: a new configuration for samples that have no plan yet.
update run set config_version = $2, control_epoch = control_epoch + 1 where run = $1
