-- take_outbox: rows whose process did not publish them itself, oldest first. Relays beside this one pass over what it takes,
-- and for as long as such a row must be old ($2 = now - age) it stays its own: a row whose relay died is taken again.
with chosen as materialized (
  select id from outbox where created_at <= $2 and (taken_at is null or taken_at <= $2)
  order by id limit $3 for update skip locked),
taken as (
  update outbox set taken_at = $1 from chosen where outbox.id = chosen.id
  returning outbox.id, run, kind, subject, place, revision)
select taken.id, run, kind, subject, place, revision, coalesce(generation, 0) as generation
from taken left join task using (run, kind, subject, place, revision) order by taken.id
