-- record_failure, rescue_stalled, free_dead_owners: the sample of a dead task fails with its reason.
update sample set state = 'failed', code = $4, reason = $5
where run = $1 and sample = $2 and revision = $3 and state in ('planning', 'writing')
