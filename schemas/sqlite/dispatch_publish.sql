-- dispatch_ready: marks a task published.
update task set published_at = ?2 where id = ?1
