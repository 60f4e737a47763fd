-- free_dead_owners: claims of every other owner; the lock on the folder proves them dead.
select id, run, kind, subject, place, revision, attempt, crashes from task
where state = 'claimed' and owner <> ?1
