-- retry: whether this range is closed over.
select range from shard where run = $1 and range = $2
