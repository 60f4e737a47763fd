-- samples: a page by key.
select s.sample, s.ordinal, s.state, s.code, s.reason, s.filled, s.places, s.words, s.generation,
  i.input ->> '$.id' as id, substr(i.input ->> '$.messages[#-1].content', 1, 120) as title
from sample s join instruction i on i.run = s.run and i.sample = s.sample
where s.run = ?1 and s.ordinal > ?2 and (?3 is null or s.state = ?3) and (?4 is null or s.code = ?4)
order by s.ordinal limit ?5
