-- dispatch_ready, record_result (tail): of these kinds, plans first, since nobody knows how long their samples are; then the
-- longest remaining chain; then input order; what somebody else works on at this moment is passed
-- over. The first test names the partial index.
select id, kind, subject, place, revision from task
where run = $1 and state in ('ready', 'claimed') and state = 'ready' and published_at is null and due_at <= $2
  and kind = any($4::text[])
order by (kind = 'plan') desc, remaining desc, ordinal, kind, subject, place limit $3 for update skip locked
