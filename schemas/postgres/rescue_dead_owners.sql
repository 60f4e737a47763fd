-- free_dead_owners: claims of every other owner; the lock on the folder proves them dead. The first test names the partial
-- index.
select id, run, kind, subject, attempt from task
where state in ('ready', 'claimed') and state = 'claimed' and owner <> $1 order by id
