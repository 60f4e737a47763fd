-- open_round: a shard is leased once an epoch, so it counts once.
insert into training_lease (job, epoch, shard, round) values (?1, ?2, ?3, ?4) on conflict (job, epoch, shard) do nothing
