-- violations (I8): samples with a plan.
select s.subject, n.name, s.key, s.revision, s.config_version, s.model, s.chain, i.input, p.plan, p.chain as plan_chain
from sample s join subject n on n.id = s.subject join instruction i on i.subject = s.subject
join plan p on p.subject = s.subject and p.revision = s.revision
where s.run = (select id from run where run = ?1) and s.places > 0
