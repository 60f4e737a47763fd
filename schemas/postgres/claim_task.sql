-- claim_task: ready, due, of a running run. A lapsed lease is not claimable: only rescue frees it. The attempt row stands with
-- the claim, before the call.
-- The key finds the row: `|| ''` keeps the planner from going through all that is live instead.
-- Rows: run, kind, subject, place, revision, now, owner, lease_until, attempt; each task once.
with wish as (
  select * from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[], $8::bigint[],
    $9::text[]) as w (run, kind, subject, place, revision, now, owner, lease_until, attempt)),
locked as materialized (
  select t.id, w.now, w.owner, w.lease_until, w.attempt
  from wish w join task t on t.run = w.run and t.kind = w.kind and t.subject = w.subject and t.place = w.place and t.revision = w.revision
  where t.state || '' = 'ready' and t.due_at <= w.now and exists (select 1 from run r where r.run = w.run and r.state = 'running')
  order by t.id for update of t),
claimed as (
  update task set state = 'claimed', owner = locked.owner, lease_until = locked.lease_until, fence = task.fence + 1,
    attempt = locked.attempt
  from locked where task.id = locked.id
  returning task.*, locked.now),
started as (
  insert into attempt (attempt, run, kind, subject, place, revision, generation, fence, owner, started_at)
  select attempt, run, kind, subject, place, revision, generation, fence, owner, now from claimed)
select attempt, context_hash, fence, generation, failures, bad_answers, crashes, hint from claimed
