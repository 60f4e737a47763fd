-- dispatch_ready: when the next waiting task becomes due.
select min(due_at) from task
where run = (select id from run where run = ?1) and state = 'ready' and published_at is null and due_at > ?2
