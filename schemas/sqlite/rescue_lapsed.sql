-- rescue_stalled: claims whose lease has lapsed. The first test names the partial index.
select id, run, kind, subject, place, revision, attempt, crashes from task
where state in ('ready', 'claimed') and state = 'claimed' and lease_until < ?1
