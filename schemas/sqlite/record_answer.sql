-- record_result, record_failure: an answer kept beside the accepted text, insert-only; a repeated intent adds nothing.
-- Rows: attempt, run, kind, subject, place, revision, hash, gate, evidence, candidate, context_hash, reask.
insert into answer (attempt, run, kind, subject, place, revision, hash, gate, evidence, candidate, context_hash, reask)
values /*rows:12*/ on conflict (attempt) do nothing
