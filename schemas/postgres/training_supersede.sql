-- begin_session: checkpoints after the one that it goes on from are given up.
update training_checkpoint set superseded = true where job = $1 and number > $2 and superseded = false
