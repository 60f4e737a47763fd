-- settle: what a call did not use has come back to this bucket, or its place in this schedule is free again; in milliseconds
-- of the bucket's rate.
update bucket set free_at = free_at + $2 where bucket = $1
