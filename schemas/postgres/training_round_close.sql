-- record_checkpoint: all of the round is in it.
update training_round set closed = true where job = $1 and round = $2
