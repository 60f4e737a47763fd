-- record_result: follow-up tasks (I5); those that are there already stay as they are. Rows: run, kind, subject, place,
-- revision, context_hash, state, remaining, ordinal, published_at, owner, lease_until, fence, attempt, generation.
insert into task (run, kind, subject, place, revision, context_hash, state, remaining, ordinal, published_at, owner,
                  lease_until, fence, attempt, generation)
values /*rows:15*/ on conflict (run, kind, subject, place, revision) do nothing
returning run, kind, subject, place, revision
