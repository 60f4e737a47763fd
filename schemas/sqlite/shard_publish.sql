-- publish_shard: fenced; repeatable.
update shard set state = 'published', rows = ?4, files = ?5, published_at = coalesce(published_at, ?6)
where run = ?1 and range = ?2 and fence = ?3
