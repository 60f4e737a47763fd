-- samples_named: samples of the input row with this id.
select n.name from subject n join instruction i on i.subject = n.id
where n.run = (select id from run where run = ?1) and i.input ->> '$.id' = ?2 limit ?3
