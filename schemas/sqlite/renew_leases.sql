-- renew_leases: prolongs what the owner still holds and works on; ?3 is a JSON list of attempts.
update task set lease_until = ?2
where owner = ?1 and state = 'claimed' and attempt in (select value from json_each(?3))
returning run, kind, subject, place, revision, fence
