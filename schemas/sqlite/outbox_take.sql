-- take_outbox: rows whose process did not publish them itself, oldest first.
select id, run, kind, subject, place, revision from outbox where created_at <= ?1 order by id limit ?2
