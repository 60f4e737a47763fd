-- add_samples: which of these samples are there already.
select sample from sample where run = $1 and sample = any($2::text[])
