-- record_result: the one test of acceptance. The context must be the one that stands and the place still empty (I1), and the
-- attempt must not have been settled before (I6); who holds the lease does not matter.
update task set state = 'done', owner = null, lease_until = null, published_at = null
where run = ?1 and kind = ?2 and subject = ?3 and place = ?4 and revision = ?5 and context_hash = ?6
  and state in ('ready', 'claimed')
  and exists (select 1 from attempt where attempt = ?7 and outcome in ('started', 'orphaned'))
returning generation, ordinal
