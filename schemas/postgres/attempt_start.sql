-- record_result: the attempt row of a follow-up task stands before the call. Rows: attempt, run, kind, subject, place,
-- revision, generation, fence, owner, started_at.
insert into attempt (attempt, run, kind, subject, place, revision, generation, fence, owner, started_at)
select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
  $9::text[], $10::bigint[])
