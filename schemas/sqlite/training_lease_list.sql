-- training, open_round: the leases of a job.
select epoch, shard, round, done from training_lease where job = ?1 order by epoch, round, shard
