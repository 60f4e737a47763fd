-- load_sample: the sample, its input and its standing plan.
select s.ordinal, s.revision, s.config_version, s.model, i.input, p.plan
from sample s join instruction i on i.run = s.run and i.sample = s.sample
left join plan p on p.run = s.run and p.sample = s.sample and p.revision = s.revision
where s.run = $1 and s.sample = $2
