-- record_result: follow-up tasks (I5); those that are there already stay as they are. In the order of their keys. Rows: run,
-- kind, subject, place, revision, context_hash, state, remaining, ordinal, published_at, owner, lease_until, fence, attempt,
-- generation.
insert into task (run, kind, subject, place, revision, context_hash, state, remaining, ordinal, published_at, owner,
                  lease_until, fence, attempt, generation)
select * from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::bigint[],
  $9::bigint[], $10::bigint[], $11::text[], $12::bigint[], $13::bigint[], $14::text[], $15::bigint[])
  as w (run, kind, subject, place, revision, context_hash, state, remaining, ordinal, published_at, owner, lease_until, fence,
    attempt, generation)
order by run, kind, subject, place, revision
on conflict (run, kind, subject, place, revision) do nothing
returning run, kind, subject, place, revision
