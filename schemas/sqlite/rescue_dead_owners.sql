-- free_dead_owners: claims of every other owner; the lock on the folder proves them dead. The first test names the partial
-- index.
select id, run, kind, subject, place, revision, attempt, crashes from task
where state in ('ready', 'claimed') and state = 'claimed' and owner <> ?1
