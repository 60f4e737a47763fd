-- reserve: the virtual schedule of a bucket, which is locked, or the first number of what comes back to one.
insert into bucket (bucket, free_at) values ($1, $2) on conflict (bucket) do update set free_at = excluded.free_at
