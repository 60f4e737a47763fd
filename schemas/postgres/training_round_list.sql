-- training, open_round: the rounds of a job, in order.
select round, epochs, shards, detail, order_hash, closed from training_round where job = $1 order by round
