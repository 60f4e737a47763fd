-- record_result: a place of the sample is filled; all filled = written.
update sample set filled = filled + 1, words = words + ?3, chain = ?4,
  state = case when state = 'writing' and filled + 1 >= places then 'written' else state end
where run = ?1 and sample = ?2
