-- record_failure, rescue_stalled: the sample of a dead task fails with its reason.
update sample set state = 'failed', code = ?3, reason = ?4
where run = ?1 and sample = ?2 and state in ('planning', 'writing')
