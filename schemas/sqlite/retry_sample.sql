-- retry: the sample goes on, as a new generation.
update sample set state = ?2, revision = ?3, generation = generation + 1, places = ?4, filled = ?5, words = ?6, chain = ?7,
  model = ?8, range = ?9, code = null, reason = null, judged = 0
where subject = ?1
