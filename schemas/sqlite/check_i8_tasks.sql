-- violations (I8): a live task continues the chain of its sample: its context is the head.
select n.name, t.kind || ' ' || t.place || ' has another context than what stands'
from sample s join subject n on n.id = s.subject
join task t on t.subject = s.subject and t.kind = 'section' and t.revision = s.revision and t.state in ('ready', 'claimed')
where s.run = (select id from run where run = ?1) and t.context_hash is not s.chain
