-- violations (I1): what a sample counts are the accepted sections of its standing revision.
select n.name, 'has ' || s.filled || ' filled places and ' || s.words || ' words but ' || count(x.place)
  || ' accepted sections with ' || coalesce(sum(x.words), 0)
from sample s join subject n on n.id = s.subject left join section x on x.subject = s.subject and x.revision = s.revision
where s.run = (select id from run where run = ?1)
group by s.subject having count(x.place) <> s.filled or coalesce(sum(x.words), 0) <> s.words
