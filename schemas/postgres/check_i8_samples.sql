-- violations (I8): samples with a plan.
select s.sample, s.key, s.revision, s.config_version, s.model, s.chain, i.input, p.plan, p.chain as plan_chain
from sample s join instruction i on i.run = s.run and i.sample = s.sample
join plan p on p.run = s.run and p.sample = s.sample and p.revision = s.revision
where s.run = $1 and s.places > 0
