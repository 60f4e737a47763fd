-- violations (I6): the ledger is the settled cost of all attempts plus the reservations of open and orphaned ones.
select 'ledger', 'says ' || t.settled_nanousd || ' + ' || t.reserved_nanousd || ' nano-USD, the attempts say '
  || a.settled || ' + ' || a.reserved
from run_total t, (select coalesce(sum(cost_nanousd), 0) as settled,
    coalesce(sum(case when outcome in ('started', 'orphaned') then reserved_nanousd end), 0) as reserved
  from attempt where run = (select id from run where run = ?1)) a
where t.run = (select id from run where run = ?1) and (t.settled_nanousd <> a.settled or t.reserved_nanousd <> a.reserved)
