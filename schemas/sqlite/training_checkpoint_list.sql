-- training, begin_session, record_checkpoint: the checkpoints of a job, in order.
select number, session, round, step, path, superseded, detail, at from training_checkpoint where job = ?1 order by number
