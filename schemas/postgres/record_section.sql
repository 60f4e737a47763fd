-- record_result: accepted sections, insert-only. Rows: run, sample, revision, place, hash, chain, words, flags, attempt.
insert into section (run, sample, revision, place, hash, chain, words, flags, attempt)
select * from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::bigint[], $8::text[],
  $9::text[])
