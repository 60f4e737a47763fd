-- sample: one row as in the list.
select s.sample, s.ordinal, s.state, s.code, s.reason, s.filled, s.places, s.words, s.generation, s.verdict, s.config_version,
  i.own_id as id, i.title
from sample s join instruction i on i.run = s.run and i.sample = s.sample
where s.run = $1 and s.sample = $2
