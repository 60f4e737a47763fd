-- control (cancel): tasks that nobody may claim any more.
update task set state = 'dropped', owner = null, lease_until = null, published_at = null
where run = $1 and state in ('ready', 'claimed')
