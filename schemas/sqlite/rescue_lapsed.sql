-- rescue_stalled: claims whose lease has lapsed.
select id, run, kind, subject, place, revision, attempt, crashes from task
where state = 'claimed' and lease_until < ?1
