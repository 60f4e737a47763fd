-- take_outbox: rows whose process did not publish them itself, oldest first.
select o.id, r.run, t.kind, n.name, t.place, t.revision
from outbox o join task t on t.id = o.task join subject n on n.id = t.subject join run r on r.id = t.run
where o.created_at <= ?1 order by o.id limit ?2
