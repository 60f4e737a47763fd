-- record_result: a result of a kind without a table of its own. Parameters: subject, kind, place, revision, body, attempt.
insert into result (subject, kind, place, revision, body, attempt) values (?1, ?2, ?3, ?4, ?5, ?6)
