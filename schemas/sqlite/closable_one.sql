-- close_range: nothing is left to do in this range.
select min(ordinal), max(ordinal),
  sum(case when state in ('packed', 'rejected', 'failed', 'cancelled') then 0
           when state = 'written' and judged = 1 then 0 else 1 end)
from sample where run = (select id from run where run = ?1) and range = ?2
