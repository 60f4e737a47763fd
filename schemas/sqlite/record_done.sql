-- record_result: the accepted task is done.
update task set state = 'done', lease_until = null, published_at = null where id = ?1
