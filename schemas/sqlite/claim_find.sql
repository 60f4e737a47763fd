-- claim_task: ready, due, of a running run. A lapsed lease is not claimable: only rescue frees it.
select t.id, t.run, t.context_hash, t.fence, t.generation, t.failures, t.bad_answers, t.crashes, t.hint
from run r join subject n on n.run = r.id and n.name = ?3
join task t on t.subject = n.id and t.kind = ?2 and t.place = ?4 and t.revision = ?5
where r.run = ?1 and r.state = 'running' and t.state = 'ready' and t.due_at <= ?6
