-- renew_leases: prolongs what the owner still holds and works on; ?3 is a JSON list of attempts. The first test names the
-- partial index.
update task set lease_until = ?2
where state in ('ready', 'claimed') and state = 'claimed' and exists (select 1 from attempt a
  where a.task = task.id and a.fence = task.fence and a.owner = ?1 and a.attempt in (select value from json_each(?3)))
returning (select r.run from run r where r.id = task.run), kind, (select n.name from subject n where n.id = task.subject), place,
  revision, fence
