-- free_dead_owners: every message of the old process.
delete from outbox
