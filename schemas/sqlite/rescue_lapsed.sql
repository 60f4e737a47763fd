-- rescue_stalled: claims whose lease has lapsed. The first test names the partial index.
select t.id, r.run, t.kind, n.name, t.place, t.revision, t.fence, t.crashes, t.subject, t.run
from task t join subject n on n.id = t.subject join run r on r.id = t.run
where t.state in ('ready', 'claimed') and t.state = 'claimed' and t.lease_until < ?1
