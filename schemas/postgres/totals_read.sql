-- totals: the counters, and the attempts that are open now.
select t.*, (select count(*) from attempt a where a.run = $1 and a.outcome = 'started') as in_flight
from run_total_now t where t.run = $1
