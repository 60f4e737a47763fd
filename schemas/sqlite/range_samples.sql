-- range_samples: what closing this range would pack, in input order.
select n.name, v.verdict, s.config_version
from sample s join subject n on n.id = s.subject join verdict v on v.subject = s.subject
where s.run = (select id from run where run = ?1) and s.range = ?2 and s.state = 'written' and s.judged = 1 order by s.ordinal
