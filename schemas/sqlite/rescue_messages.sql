-- rescue_stalled: messages that nobody took are taken for lost and sent again. The first test names the partial index.
update task set published_at = null where state in ('ready', 'claimed') and state = 'ready' and published_at < ?1
