-- add_samples: the next free ordinal.
select coalesce(max(ordinal) + 1, 0) from sample where run = ?1
