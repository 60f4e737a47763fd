-- record_result: an accepted section, insert-only. Rows: run, sample, revision, place, hash, chain, words, flags, attempt.
insert into section (run, sample, revision, place, hash, chain, words, flags, attempt) values /*rows:9*/
