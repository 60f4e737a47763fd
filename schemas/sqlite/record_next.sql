-- record_result: follow-up tasks (I5); those that are there already stay as they are. Parameters: run, kind, subject, place,
-- revision, context_hash, state, remaining, ordinal, published_at, owner, lease_until, fence, attempt, generation.
insert into task (run, kind, subject, place, revision, context_hash, state, remaining, ordinal, published_at, owner,
                  lease_until, fence, attempt, generation)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15) on conflict (run, kind, subject, place, revision) do nothing
