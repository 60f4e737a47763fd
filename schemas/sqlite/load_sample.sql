-- load_sample: the sample and its input.
select s.ordinal, s.revision, s.config_version, s.model, s.filled, i.input
from sample s join instruction i on i.run = s.run and i.sample = s.sample
where s.run = ?1 and s.sample = ?2
