-- record_result, dispatch_ready: the message that will say "look at this task". Rows: run, kind, subject, place, revision,
-- created_at. A task has at most one row.
insert into outbox (run, kind, subject, place, revision, created_at) values /*rows:6*/
on conflict (run, kind, subject, place, revision) do update set created_at = excluded.created_at
returning id, run, kind, subject, place, revision
