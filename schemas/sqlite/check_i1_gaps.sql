-- violations (I1): a written sample has all places; serial samples never have a gap (?3 = parallel).
select s.sample, 'is ' || s.state || ' with ' || s.filled || ' of ' || s.places || ' places'
from sample s where s.run = ?1 and s.state in ('written', 'packed', 'rejected') and s.filled <> s.places
union all
select s.sample, 'has a gap: highest section ' || (max(x.place) + 1) || ', sections ' || count(*)
from sample s join section x on x.run = s.run and x.sample = s.sample and x.revision = s.revision
where s.run = ?1 and not ?3 group by s.sample having max(x.place) + 1 <> count(*)
