-- violations (I1): the filled places of a sample are the accepted sections of its standing revision.
select s.sample, 'has ' || s.filled || ' filled places but ' || count(x.place) || ' accepted sections'
from sample s left join section x on x.run = s.run and x.sample = s.sample and x.revision = s.revision
where s.run = ?1 group by s.sample having count(x.place) <> s.filled
