-- dispatch_ready: one process at a time counts slots and fills them.
select pg_advisory_xact_lock($1)
