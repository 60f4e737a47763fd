-- totals: the counters, and the attempts that are open now.
select t.*, (select count(*) from attempt a where a.run = r.id and a.outcome = 'started') as in_flight
from run r join run_total t on t.run = r.id where r.run = ?1
