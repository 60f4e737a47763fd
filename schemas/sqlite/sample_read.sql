-- sample: one row as in the list.
select n.name as sample, s.ordinal, s.state, s.code, s.reason, s.filled, s.places, s.words, s.generation, s.config_version,
  (select verdict from verdict v where v.subject = s.subject and s.judged = 1) as verdict,
  i.input ->> '$.id' as id, substr(i.input ->> '$.messages[#-1].content', 1, 120) as title
from subject n join sample s on s.subject = n.id join instruction i on i.subject = n.id
where n.run = (select id from run where run = ?1) and n.name = ?2
