-- record_result: accepted plans, insert-only. Rows: run, sample, revision, plan, chain, attempt.
insert into plan (run, sample, revision, plan, chain, attempt)
select * from unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[])
