-- record_result: an accepted plan, insert-only. Parameters: subject, revision, plan, chain, attempt.
insert into plan (subject, revision, plan, chain, attempt) values (?1, ?2, ?3, ?4, ?5)
