-- record_result: a place of the sample is filled.
update sample set filled = filled + 1, words = words + ?2, chain = ?3 where subject = ?1
