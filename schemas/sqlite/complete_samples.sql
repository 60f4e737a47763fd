-- complete_samples: samples whose text is whole, in input order, paged by ordinal.
select n.name, s.ordinal, s.state, s.code, s.config_version from sample s join subject n on n.id = s.subject
where s.run = (select id from run where run = ?1) and s.ordinal > ?2 and s.state in ('written', 'packed', 'rejected')
order by s.ordinal limit ?3
