-- load_sample: the sample and its input.
select s.subject, s.ordinal, s.revision, s.config_version, s.model, s.filled, i.input
from run r join subject n on n.run = r.id and n.name = ?2
join sample s on s.subject = n.id join instruction i on i.subject = n.id
where r.run = ?1
