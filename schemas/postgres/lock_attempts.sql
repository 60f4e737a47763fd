-- record_result, rescue_stalled, reserve: attempts are locked before samples, samples before tasks, each in the order of their
-- keys, so that nobody waits in a circle. What is read here is what stands until the commit.
select attempt, outcome from attempt where attempt = any($1::text[]) order by attempt for update
