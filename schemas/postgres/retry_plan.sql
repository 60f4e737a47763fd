-- retry: the new revision keeps the plan by reference to its attempt.
insert into plan (run, sample, revision, plan, chain, attempt)
select run, sample, $4, plan, $5, attempt from plan where run = $1 and sample = $2 and revision = $3
