-- claim_task: ready, due, of a running run. A lapsed lease is not claimable: only rescue frees it.
select id, context_hash, fence, generation, failures, bad_answers, crashes, hint from task
where run = ?1 and kind = ?2 and subject = ?3 and place = ?4 and revision = ?5 and state = 'ready' and due_at <= ?6
  and exists (select 1 from run where run.run = ?1 and run.state = 'running')
