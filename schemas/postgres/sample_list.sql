-- samples: a page by key.
select s.sample, s.ordinal, s.state, s.code, s.reason, s.filled, s.places, s.words, s.generation, i.own_id as id, i.title
from sample s join instruction i on i.run = s.run and i.sample = s.sample
where s.run = $1 and s.ordinal > $2 and ($3::text is null or s.state = $3) and ($4::text is null or s.code = $4)
order by s.ordinal limit $5
