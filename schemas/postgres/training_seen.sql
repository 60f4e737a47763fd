-- begin_session, record_checkpoint: how far the work has come.
update training set seen_round = $2, seen_step = $3 where job = $1
