-- retry, add_samples: whether this range is closed over.
select 1 from shard where run = ?1 and range = ?2
