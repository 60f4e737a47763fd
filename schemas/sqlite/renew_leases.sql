-- renew_leases: prolongs what the owner still holds. The first test names the partial index.
update task set lease_until = ?2 where state in ('ready', 'claimed') and state = 'claimed' and owner = ?1
returning run, kind, subject, place, revision, fence
