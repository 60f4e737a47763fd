-- settle: what a call did not use, in milliseconds of the bucket's rate.
update bucket set free_at = free_at - $2 where bucket = $1
