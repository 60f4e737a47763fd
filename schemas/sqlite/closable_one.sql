-- close_range: nothing is left to do in this range.
select min(ordinal), max(ordinal),
  sum(case when state in ('packed', 'rejected', 'failed', 'cancelled') then 0
           when state = 'written' and verdict is not null then 0 else 1 end)
from sample where run = ?1 and range = ?2
