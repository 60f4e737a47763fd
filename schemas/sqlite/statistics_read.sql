-- statistics: since a time, oldest first.
select at, totals from run_statistics where run = (select id from run where run = ?1) and at >= ?2 order by at
