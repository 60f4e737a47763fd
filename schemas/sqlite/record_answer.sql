-- record_result, record_failure: an answer kept beside the accepted text, insert-only.
insert into answer (attempt, run, kind, subject, place, revision, text, gate, evidence, candidate, context_hash, reask)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
