-- reserve, settle, returned: the virtual schedule of a bucket, or what has come back to it.
insert into bucket (bucket, free_at) values (?1, ?2) on conflict (bucket) do update set free_at = excluded.free_at
