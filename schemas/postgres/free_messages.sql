-- free_dead_owners: the in-process queue died with its process. send_again: the broker came back, maybe without its data.
-- control (resume): messages that came during the pause found nothing to claim. The first test names the partial index.
update task set published_at = null
where state in ('ready', 'claimed') and state = 'ready' and published_at is not null and ($1::text is null or run = $1)
