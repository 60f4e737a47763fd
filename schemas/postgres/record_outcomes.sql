-- record_result: a result that was not accepted may be a repeated intent.
select attempt, outcome from attempt where attempt in ($1, $2)
