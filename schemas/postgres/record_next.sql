-- record_result: follow-up tasks (I5); those that are there already stay as they are. The attempt row of one that is claimed
-- stands with it, before the call. In the order of their keys. Rows: run, kind, subject, place, revision, context_hash, state,
-- remaining, ordinal, published_at, owner, lease_until, fence, attempt, generation, started_at.
with w as materialized (
  select * from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::bigint[],
    $9::bigint[], $10::bigint[], $11::text[], $12::bigint[], $13::bigint[], $14::text[], $15::bigint[], $16::bigint[])
  as w (run, kind, subject, place, revision, context_hash, state, remaining, ordinal, published_at, owner, lease_until, fence,
    attempt, generation, started_at)),
made as (
  insert into task (run, kind, subject, place, revision, context_hash, state, remaining, ordinal, published_at, owner,
                    lease_until, fence, attempt, generation)
  select run, kind, subject, place, revision, context_hash, state, remaining, ordinal, published_at, owner, lease_until, fence,
    attempt, generation
  from w order by run, kind, subject, place, revision
  on conflict (run, kind, subject, place, revision) do nothing
  returning run, kind, subject, place, revision, generation, fence, owner, attempt),
started as (
  insert into attempt (attempt, run, kind, subject, place, revision, generation, fence, owner, started_at)
  select made.attempt, made.run, made.kind, made.subject, made.place, made.revision, made.generation, made.fence, made.owner,
    w.started_at
  from made join w on w.attempt = made.attempt)
select run, kind, subject, place, revision from made
