-- record_result, record_failure: a text, insert-only.
insert into text (hash, body) values (?1, ?2)
