-- control (cancel), retry: tasks that nobody may claim any more.
update task set state = 'dropped', owner = null, lease_until = null, published_at = null
where run = ?1 and (?2 is null or subject = ?2) and state in ('ready', 'claimed')
