-- reserve: under a cap, one process at a time compares and reserves.
select run from run_total where run = $1 for update
