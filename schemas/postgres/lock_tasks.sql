-- record_failure, rescue_stalled, free_dead_owners: in the order of their ids, as they stand now.
select id, run, kind, subject, place, revision, attempt, crashes, state, owner, lease_until from task
where id = any($1::bigint[]) order by id for update
