-- retry, add_samples: the number of this command's supplementary shard.
update run set supplements = supplements + 1 where run = $1 returning supplements
