-- record_result, dispatch_ready: the message that will say "look at this task". A task has at most one row; a newer message has
-- a newer id, so that who confirms the older one late deletes nothing.
insert or replace into outbox (task, created_at) values (?1, ?2)
