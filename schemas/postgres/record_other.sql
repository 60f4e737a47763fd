-- record_result: results of kinds without a table of their own. Rows: run, kind, subject, place, revision, body, attempt.
insert into result (run, kind, subject, place, revision, body, attempt)
select * from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::text[])
