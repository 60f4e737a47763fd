-- close_range: the range is closed; one without rows is recorded as empty, and has no files to wait for.
insert into shard (run, range, state, rows, first_ordinal, last_ordinal, closed_at, published_at)
select $1, $2, case when members.rows = 0 then 'published' else 'closed' end, members.rows, $3, $4, $5,
  case when members.rows = 0 then $5::bigint end
from (select count(*) as rows from shard_member where run = $1 and range = $2) members
