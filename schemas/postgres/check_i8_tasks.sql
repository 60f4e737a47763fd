-- violations (I8): a live task continues the chain of its sample: its context is the head.
select t.subject, t.kind || ' ' || t.place || ' has another context than what stands'
from sample s join task t on t.run = s.run and t.subject = s.sample and t.state in ('ready', 'claimed')
  and t.kind = 'section' and t.revision = s.revision
where s.run = $1 and t.context_hash is distinct from s.chain
