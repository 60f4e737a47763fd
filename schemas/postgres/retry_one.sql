-- retry: one named sample, whatever its state; only a packed one cannot go on.
select sample, ordinal, state, code, range, revision, generation, places, filled, key, config_version, model from sample
where run = $1 and sample = $2
