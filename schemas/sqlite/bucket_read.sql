-- reserve, settle, returned: when the next unit of this bucket is free, or what has come back to it.
select free_at from bucket where bucket = ?1
