-- begin_session: checkpoints after the one that it goes on from are given up.
update training_checkpoint set superseded = 1 where job = ?1 and number > ?2 and superseded = 0
