-- record_failure: what a kept answer was made for.
select context_hash from task where run = $1 and kind = $2 and subject = $3 and place = $4 and revision = $5
