-- violations (I1): a written sample has all places; serial samples never have a gap.
select n.name, 'is ' || s.state || ' with ' || s.filled || ' of ' || s.places || ' places'
from sample s join subject n on n.id = s.subject
where s.run = (select id from run where run = ?1) and s.state in ('written', 'packed', 'rejected')
  and (s.filled <> s.places or s.places = 0)
union all
select n.name, 'has a gap: highest section ' || (max(x.place) + 1) || ', sections ' || count(*)
from sample s join subject n on n.id = s.subject join section x on x.subject = s.subject and x.revision = s.revision
join run_config c on c.run = s.run and c.version = s.config_version
where s.run = (select id from run where run = ?1) and c.config ->> '$.text.mode' = 'serial'
group by s.subject having max(x.place) + 1 <> count(*)
