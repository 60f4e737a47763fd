-- training, begin_session: the sessions of a job, in order.
select session, round, begun_from, redone_steps, started_at from training_session where job = $1 order by session
