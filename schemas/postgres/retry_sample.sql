-- retry: the sample goes on, as a new generation.
update sample set state = $3, revision = $4, generation = generation + 1, places = $5, filled = $6, words = $7, chain = $8,
  model = $9, range = $10, code = null, reason = null, verdict = null
where run = $1 and sample = $2
