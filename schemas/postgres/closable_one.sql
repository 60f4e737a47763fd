-- close_range: nothing is left to do in this range.
select min(ordinal), max(ordinal), count(*) filter (where not (state in ('packed', 'rejected', 'failed', 'cancelled')
  or (state = 'written' and verdict is not null)))
from sample where run = $1 and range = $2
