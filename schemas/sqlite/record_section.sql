-- record_result: an accepted section, insert-only. Parameters: subject, revision, place, text, chain, words, flags, attempt.
insert into section (subject, revision, place, text, chain, words, flags, attempt) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
