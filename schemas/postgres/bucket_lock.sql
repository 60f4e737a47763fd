-- reserve: when the next unit of this bucket is free; nobody else draws from it until the commit.
insert into bucket (bucket, free_at) values ($1, '-infinity')
on conflict (bucket) do update set free_at = bucket.free_at returning free_at
