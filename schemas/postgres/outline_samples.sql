-- outlines: samples without their texts, with what their plan, input and standing verdict say in numbers. Rows: sample.
select w.position, s.sample, s.ordinal, s.state, s.code, s.generation, s.revision, s.words, s.verdict, i.input, p.plan
from unnest($2::text[]) with ordinality as w (sample, position)
join sample s on s.run = $1 and s.sample = w.sample
join instruction i on i.run = s.run and i.sample = s.sample
left join plan p on p.run = s.run and p.sample = s.sample and p.revision = s.revision
order by w.position
