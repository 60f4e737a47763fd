-- outlines: a sample without its texts, with what its plan, its input and its standing verdict say in numbers.
select n.id, s.ordinal, s.state, s.code, s.generation, s.revision, s.words, i.input, p.plan, v.verdict
from run r join subject n on n.run = r.id and n.name = ?2
join sample s on s.subject = n.id join instruction i on i.subject = n.id
left join plan p on p.subject = n.id and p.revision = s.revision
left join verdict v on v.subject = n.id and s.judged = 1
where r.run = ?1
