-- open_round: a round is frozen once.
insert into training_round (job, round, epochs, shards, detail) values ($1, $2, $3, $4, $5) on conflict (job, round) do nothing
