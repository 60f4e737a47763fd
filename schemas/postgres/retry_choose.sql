-- retry: samples that may go on, in input order.
select sample, ordinal, state, code, range, revision, generation, places, filled, key, config_version, model from sample
where run = $1 and state in ('failed', 'rejected', 'cancelled') and ($2::text is null or code = $2) order by ordinal
