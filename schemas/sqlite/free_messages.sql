-- free_dead_owners: the in-process queue died with its process.
update task set published_at = null where state = 'ready' and published_at is not null
