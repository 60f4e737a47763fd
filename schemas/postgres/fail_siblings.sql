-- record_failure, rescue_stalled, free_dead_owners: the other tasks of a failed sample go with it (I5).
update task set state = 'dropped', owner = null, lease_until = null, published_at = null
where run = $1 and kind in ('plan', 'section') and subject = $2 and state in ('ready', 'claimed')
