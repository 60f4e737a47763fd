-- record_result, record_failure: answers kept beside the accepted text, insert-only; a repeated intent adds nothing.
-- Rows: run, kind, subject, place, revision, attempt, hash, gate, evidence, candidate, context_hash, reask.
insert into answer (run, kind, subject, place, revision, attempt, hash, gate, evidence, candidate, context_hash, reask)
select * from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::text[],
  $9::text[], $10::boolean[], $11::text[], $12::text[])
on conflict (attempt) do nothing
