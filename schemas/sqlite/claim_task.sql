-- claim_task: the task is its owner's until the lease lapses.
update task set state = 'claimed', lease_until = ?2, fence = ?3 where id = ?1
