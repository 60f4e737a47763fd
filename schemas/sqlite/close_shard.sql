-- close_range: the range is closed; one without rows is recorded as empty, and has no files to wait for.
insert into shard (run, range, state, rows, first_ordinal, last_ordinal, closed_at, published_at)
select members.run, ?2, case when members.rows = 0 then 'published' else 'closed' end, members.rows, ?3, ?4, ?5,
  case when members.rows = 0 then ?5 end
from (select r.id as run, (select count(*) from shard_member m where m.run = r.id and m.range = ?2) as rows
  from run r where r.run = ?1) members
