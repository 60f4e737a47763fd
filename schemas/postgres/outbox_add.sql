-- record_result, dispatch_ready: the messages that will say "look at this task", in this order. Rows: run, kind, subject,
-- place, revision, created_at. A task has at most one row; a newer message has a newer id, so that who confirms the older one
-- late deletes nothing. The task's generation names the trace that the message carries.
insert into outbox (run, kind, subject, place, revision, created_at)
select run, kind, subject, place, revision, created_at
from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[]) with ordinality
  as w (run, kind, subject, place, revision, created_at, position)
order by position
on conflict (run, kind, subject, place, revision)
  do update set id = default, created_at = excluded.created_at, taken_at = null
returning id, run, kind, subject, place, revision,
  coalesce((select generation from task t where t.run = outbox.run and t.kind = outbox.kind and t.subject = outbox.subject
     and t.place = outbox.place and t.revision = outbox.revision), 0) as generation
