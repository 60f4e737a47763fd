-- record_result, record_failure: an answer kept beside the accepted text, insert-only.
insert into answer (task, fence, text, gate, evidence, candidate, context_hash, reask)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
