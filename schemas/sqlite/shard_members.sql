-- close_range, packed_samples: the members in input order.
select n.name, v.verdict, s.config_version
from shard_member m join sample s on s.subject = m.subject join subject n on n.id = m.subject
left join verdict v on v.subject = m.subject
where m.run = (select id from run where run = ?1) and m.range = ?2 order by s.ordinal
