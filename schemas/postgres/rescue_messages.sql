-- rescue_stalled: messages that nobody took are taken for lost and sent again; a task that somebody holds is left to the next
-- sweep. The first test names the partial index.
update task set published_at = null where id in (
  select id from task where state in ('ready', 'claimed') and state = 'ready' and published_at < $1
  order by id for update skip locked)
