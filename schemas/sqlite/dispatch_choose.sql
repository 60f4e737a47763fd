-- dispatch_ready: the longest remaining chain first, then input order.
select id, kind, subject, place, revision from task
where run = ?1 and state = 'ready' and published_at is null and due_at <= ?2
order by remaining desc, ordinal, place limit ?3
