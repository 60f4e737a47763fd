-- retry, add_samples: whether this range is closed over.
select 1 from shard where run = (select id from run where run = ?1) and range = ?2
