-- returned: what has come back to a bucket, less what found it full; nobody who starts later may count on that.
update bucket set free_at = least(free_at, $2) where bucket = $1 returning free_at
