-- record_failure, rescue_stalled, free_dead_owners: the other tasks of a failed sample go with it (I5).
update task set state = 'dropped', lease_until = null, published_at = null
where subject = ?1 and kind in ('plan', 'section') and state in ('ready', 'claimed')
