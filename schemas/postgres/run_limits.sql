-- settle: the run's limits.
select limits from run where run = $1
