-- publish_shard: fenced; a published shard never changes (I7), so a repeated intent must bring the same files.
update shard set state = 'published', rows = ?4, files = ?5, published_at = coalesce(published_at, ?6)
where run = (select id from run where run = ?1) and range = ?2 and ((state = 'closed' and fence = ?3) or (state = 'published' and rows = ?4 and files = ?5))
