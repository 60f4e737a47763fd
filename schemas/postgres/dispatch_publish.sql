-- dispatch_ready: marks tasks published; they are locked.
update task set published_at = $1 where id = any($2::bigint[])
