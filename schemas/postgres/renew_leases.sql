-- renew_leases: prolongs what the owner still holds and works on; $3 are its attempts. The key finds the
-- row: `|| ''` keeps the planner from going through all that is live instead.
with locked as materialized (
  select t.id from attempt w join task t on t.run = w.run and t.kind = w.kind and t.subject = w.subject and t.place = w.place and t.revision = w.revision
  where w.attempt = any($3::text[]) and t.attempt = w.attempt and t.owner = $1 and t.state || '' = 'claimed'
  order by t.id for update of t)
update task set lease_until = $2 from locked
where task.id = locked.id
returning run, kind, subject, place, revision, fence
