-- dispatch_ready: tasks that hold a slot: claimed, or published and not yet claimed; that is all that live less what waits.
select (select count(*) from task where run = (select id from run where run = ?1) and state in ('ready', 'claimed'))
  - (select count(*) from task where run = (select id from run where run = ?1) and state = 'ready' and published_at is null)
