-- record_checkpoint: a shard is done with the first checkpoint that contains it.
update training_lease set done = ?5 where job = ?1 and epoch = ?2 and shard = ?3 and round = ?4 and done is null
