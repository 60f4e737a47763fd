-- reserve: the run's limits and its ledger.
select r.limits, t.settled_nanousd + t.reserved_nanousd
from run r join run_total_now t on t.run = r.run where r.run = $1
