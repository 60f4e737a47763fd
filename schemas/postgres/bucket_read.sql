-- reserve, returned: what has come back to a bucket.
select free_at from bucket where bucket = $1
