-- samples_named: ids that start with a prefix; ?3 sorts behind every id that does.
select n.name from subject n join sample s on s.subject = n.id
where n.run = (select id from run where run = ?1) and n.name >= ?2 and n.name < ?3 order by n.name limit ?4
