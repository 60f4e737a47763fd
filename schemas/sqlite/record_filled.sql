-- record_result: a place of the sample is filled.
update sample set filled = filled + 1, words = words + ?3, chain = ?4 where run = ?1 and sample = ?2
