-- record_failure, rescue_stalled, free_dead_owners: the sample of a dead task fails with its reason.
update sample set state = 'failed', code = ?3, reason = ?4
where subject = ?1 and revision = ?2 and state in ('planning', 'writing')
