-- rescue_stalled, free_dead_owners: the task is free again, or dead of too many crashes.
update task set state = ?2, crashes = crashes + 1, lease_until = null, published_at = null, due_at = 0
where id = ?1 and state = 'claimed'
