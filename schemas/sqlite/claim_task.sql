-- claim_task: the task is its owner's until the lease lapses.
update task set state = 'claimed', owner = ?2, lease_until = ?3, fence = ?4, attempt = ?5 where id = ?1
