-- reserve: when the next unit of this bucket is free.
select free_at from bucket where bucket = ?1
