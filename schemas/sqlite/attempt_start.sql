-- claim_task, record_result: the attempt row stands before the call. Parameters: attempt, run, kind, subject, place, revision,
-- generation, fence, owner, started_at.
insert into attempt (attempt, run, kind, subject, place, revision, generation, fence, owner, started_at)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
