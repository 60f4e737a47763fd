-- record_result: a result that was not accepted may be a repeated intent.
select outcome from attempt where attempt = ?1
