-- samples: a page by key.
select n.name as sample, s.ordinal, s.state, s.code, s.reason, s.filled, s.places, s.words, s.generation,
  i.input ->> '$.id' as id, substr(i.input ->> '$.messages[#-1].content', 1, 120) as title
from sample s join subject n on n.id = s.subject join instruction i on i.subject = s.subject
where s.run = (select id from run where run = ?1) and s.ordinal > ?2 and (?3 is null or s.state = ?3)
  and (?4 is null or s.code = ?4)
order by s.ordinal limit ?5
