-- reserve: the virtual schedule of a bucket; it is locked.
update bucket set free_at = $2 where bucket = $1
