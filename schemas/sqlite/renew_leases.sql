-- renew_leases: prolongs what the owner still holds.
update task set lease_until = ?2 where owner = ?1 and state = 'claimed'
returning run, kind, subject, place, revision, fence
