-- trainings: all jobs, newest first.
select job, spec, state, reason, stop_asked, owner, lease_until, seen_round, seen_step, model, created_at from training order by created_at desc, job
