-- control (cancel): tasks that nobody may claim any more.
update task set state = 'dropped', lease_until = null, published_at = null
where run = (select id from run where run = ?1) and state in ('ready', 'claimed')
