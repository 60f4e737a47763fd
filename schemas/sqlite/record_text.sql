-- record_result, record_failure: texts by hash; the same text is stored once. Rows: hash, body.
insert into text (hash, body) values /*rows:2*/ on conflict (hash) do nothing
