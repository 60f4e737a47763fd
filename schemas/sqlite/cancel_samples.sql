-- control (cancel): unfinished samples; written ones still get their shard.
update sample set state = 'cancelled', code = 'cancelled', reason = 'cancelled by an operator'
where run = (select id from run where run = ?1) and (state = 'pending' or state = 'planning' or state = 'planned' or state = 'writing')
