-- record_result: a result of a kind without a table of its own. Rows: run, kind, subject, place, revision, body, attempt.
insert into result (run, kind, subject, place, revision, body, attempt) values /*rows:7*/
