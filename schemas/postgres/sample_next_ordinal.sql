-- add_samples: the next free ordinal; the run is locked.
select coalesce(max(ordinal) + 1, 0) from sample where run = $1
