-- dispatch_ready: tasks that hold a slot: claimed, or published and not yet claimed.
select count(*) from task where run = ?1 and (state = 'claimed' or (state = 'ready' and published_at is not null))
