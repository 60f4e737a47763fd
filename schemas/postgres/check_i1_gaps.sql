-- violations (I1): a written sample has all places; serial samples never have a gap.
select s.sample, 'is ' || s.state || ' with ' || s.filled || ' of ' || s.places || ' places'
from sample s where s.run = $1 and s.state in ('written', 'packed', 'rejected') and (s.filled <> s.places or s.places = 0)
union all
select s.sample, 'has a gap: highest section ' || (max(x.place) + 1) || ', sections ' || count(*)
from sample s join section x on x.run = s.run and x.sample = s.sample and x.revision = s.revision
join run_config c on c.run = s.run and c.version = s.config_version
where s.run = $1 and c.config::json -> 'text' ->> 'mode' = 'serial' group by s.run, s.sample
having max(x.place) + 1 <> count(*)
