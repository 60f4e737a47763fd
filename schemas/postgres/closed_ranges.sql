-- add_samples: which of these ranges are closed over.
select range from shard where run = $1 and range = any($2::bigint[])
