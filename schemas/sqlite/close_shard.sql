-- close_range: the range is closed; a range without rows is recorded as empty.
insert into shard (run, range, state, rows, first_ordinal, last_ordinal, closed_at)
select ?1, ?2, 'closed', (select count(*) from shard_member where run = ?1 and range = ?2), ?3, ?4, ?5
