-- rescue_stalled: messages that nobody took are taken for lost and sent again.
update task set published_at = null where state = 'ready' and published_at < ?1
