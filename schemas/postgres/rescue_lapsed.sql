-- rescue_stalled: claims whose lease has lapsed; they are looked at again under their locks. The first test names the partial
-- index.
select id, run, kind, subject, attempt from task
where state in ('ready', 'claimed') and state = 'claimed' and lease_until < $1 order by id
