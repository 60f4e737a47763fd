-- record_result: an accepted plan, insert-only. Parameters: run, sample, revision, plan, chain, attempt.
insert into plan (run, sample, revision, plan, chain, attempt) values (?1, ?2, ?3, ?4, ?5, ?6)
