-- add_samples: the number of a run.
select id from run where run = ?1
