-- reserve: the run's limits and its ledger.
select r.limits, t.settled_nanousd + t.reserved_nanousd, r.id
from run r join run_total t on t.run = r.id where r.run = ?1
