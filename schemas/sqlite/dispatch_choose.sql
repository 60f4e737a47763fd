-- dispatch_ready, record_result (tail): plans first, since nobody knows how long their samples are; then the longest remaining
-- chain; then input order, which is the order of the index that holds what waits.
select t.id, t.kind, n.name, t.place, t.revision from task t join subject n on n.id = t.subject
where t.run = (select id from run where run = ?1) and t.state = 'ready' and t.published_at is null and t.due_at <= ?2
order by t.kind = 'plan' desc, t.remaining desc, t.ordinal, t.kind, t.subject, t.place limit ?3
