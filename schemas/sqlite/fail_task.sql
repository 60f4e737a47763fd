-- record_failure: fenced: a stale holder may not touch the task.
update task set state = ?3, due_at = ?4, failures = failures + ?5, bad_answers = bad_answers + ?6,
  crashes = crashes + ?7, hint = ?8, lease_until = null, published_at = null
where id = ?1 and fence = ?2 and state = 'claimed'
