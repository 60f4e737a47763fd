-- add_samples: a new sample whose range is closed goes to a supplementary range: a closed shard never changes (I7).
update sample set range = ?3 where run = ?1 and sample = ?2
