-- record_result: follow-up tasks (I5); those that are there already stay as they are. Parameters: run, kind, subject, place,
-- revision, context_hash, state, remaining, ordinal, published_at, lease_until, fence, generation.
insert into task (run, kind, subject, place, revision, context_hash, state, remaining, ordinal, published_at, lease_until,
                  fence, generation)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) on conflict (subject, kind, place, revision) do nothing
