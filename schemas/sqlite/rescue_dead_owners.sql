-- free_dead_owners: claims of every other owner; the lock on the folder proves them dead. The first test names the partial
-- index.
select t.id, r.run, t.kind, n.name, t.place, t.revision, t.fence, t.crashes, t.subject, t.run
from task t join attempt a on a.task = t.id and a.fence = t.fence
join subject n on n.id = t.subject join run r on r.id = t.run
where t.state in ('ready', 'claimed') and t.state = 'claimed' and a.owner <> ?1
