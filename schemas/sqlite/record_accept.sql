-- record_result: the one test of acceptance. The context must be the one that stands and the place still empty (I1); who
-- holds the lease does not matter.
select id, generation, ordinal from task
where run = ?1 and kind = ?2 and subject = ?3 and place = ?4 and revision = ?5 and context_hash = ?6
  and state in ('ready', 'claimed')
