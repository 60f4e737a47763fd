-- violations (I1): what a sample counts are the accepted sections of its standing revision.
select s.sample, 'has ' || s.filled || ' filled places and ' || s.words || ' words but ' || count(x.place)
  || ' accepted sections with ' || coalesce(sum(x.words), 0)
from sample s left join section x on x.run = s.run and x.sample = s.sample and x.revision = s.revision
where s.run = $1 group by s.run, s.sample having count(x.place) <> s.filled or coalesce(sum(x.words), 0) <> s.words
