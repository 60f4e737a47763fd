-- create_training, training: a job.
select job, spec, state, reason, stop_asked, owner, lease_until, seen_round, seen_step, model, created_at from training where job = $1
