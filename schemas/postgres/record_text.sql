-- record_failure: texts by hash; the same text is stored once. In the order of the hashes, after all locks.
-- Rows: hash, body.
insert into text (hash, body) select * from unnest($1::text[], $2::bytea[]) as w (hash, body) order by hash
on conflict (hash) do nothing
