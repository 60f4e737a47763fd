-- record_failure: fenced: a stale holder may not touch the task.
update task set state = $7, due_at = $8, failures = failures + $9, bad_answers = bad_answers + $10,
  crashes = crashes + $11, hint = $12, owner = null, lease_until = null, published_at = null
where run = $1 and kind = $2 and subject = $3 and place = $4 and revision = $5 and fence = $6 and state = 'claimed'
returning id
