-- record_result: the one test of acceptance. The context must be the one that stands and the place still empty (I1); that the
-- attempt was not settled before (I6) is known from its lock; who holds the lease does not matter. With each task comes whether
-- its follow-ups go on at once, and how many slots its run may use.
-- The key finds the row: `|| ''` keeps the planner from going through all that is live instead.
-- Rows: run, kind, subject, place, revision, context_hash; each task once.
with locked as materialized (
  select t.id, t.run
  from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[])
    as w (run, kind, subject, place, revision, context_hash)
  join task t on t.run = w.run and t.kind = w.kind and t.subject = w.subject and t.place = w.place and t.revision = w.revision
  where t.context_hash = w.context_hash and t.state || '' in ('ready', 'claimed')
  order by t.id for update of t)
update task set state = 'done', owner = null, lease_until = null, published_at = null
from locked join run r on r.run = locked.run left join run_slots s on s.run = locked.run
where task.id = locked.id
returning task.run, task.kind, task.subject, task.place, task.revision, task.generation, task.ordinal,
  r.state = 'running' as running, r.ordered, s.slots
