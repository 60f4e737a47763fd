-- dispatch_ready, record_result (tail): tasks that hold a slot: claimed, or published and not yet claimed.
select count(*) from task where run = $1 and state in ('ready', 'claimed') and (state = 'claimed' or published_at is not null)
