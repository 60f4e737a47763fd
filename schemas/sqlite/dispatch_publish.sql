-- dispatch_ready: marks a task published. Rows: id.
update task set published_at = ?1 where id in (/*ids*/)
