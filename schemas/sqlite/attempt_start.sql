-- claim_task, record_result: the attempt row stands before the call. Parameters: task, fence, attempt, run, generation, owner,
-- started_at.
insert into attempt (task, fence, attempt, run, generation, owner, started_at) values (?1, ?2, ?3, ?4, ?5, ?6, ?7)
