-- claim_task, record_result: the attempt row stands before the call. Rows: attempt, run, kind, subject, place, revision,
-- generation, fence, owner, started_at.
insert into attempt (attempt, run, kind, subject, place, revision, generation, fence, owner, started_at)
values /*rows:10*/
