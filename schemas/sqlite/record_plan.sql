-- record_result: an accepted plan, insert-only. Rows: run, sample, revision, plan, chain, attempt.
insert into plan (run, sample, revision, plan, chain, attempt) values /*rows:6*/
