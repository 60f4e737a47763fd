-- delete_outbox: confirmed messages. One that somebody else holds at this moment is being renewed or taken, and will be
-- confirmed again.
delete from outbox where id in (select id from outbox where id = any($1::bigint[]) order by id for update skip locked)
