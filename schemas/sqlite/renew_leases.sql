-- renew_leases: prolongs what the owner still holds and works on; ?3 is a JSON list of attempts. The first test names the
-- partial index.
update task set lease_until = ?2
where state in ('ready', 'claimed') and state = 'claimed' and owner = ?1 and attempt in (select value from json_each(?3))
returning run, kind, subject, place, revision, fence
