-- violations (I5): an admitted sample has exactly one live task (parallel: one per empty place), all others none.
select n.name, 'is ' || s.state || ' with ' || count(t.id) || ' live tasks'
from sample s join subject n on n.id = s.subject join run_config c on c.run = s.run and c.version = s.config_version
left join task t on t.subject = s.subject and t.kind in ('plan', 'section') and t.state in ('ready', 'claimed')
where s.run = (select id from run where run = ?1) group by s.subject
having count(t.id) <> case when s.state = 'planning' then 1
  when s.state = 'writing' then case when c.config ->> '$.text.mode' = 'parallel' then s.places - s.filled else 1 end
  else 0 end
union all
select n.name, 'is ' || s.state || ' at revision ' || s.revision || ' with a live ' || t.kind || ' task of ' || t.revision
from sample s join subject n on n.id = s.subject
join task t on t.subject = s.subject and t.kind in ('plan', 'section') and t.state in ('ready', 'claimed')
where s.run = (select id from run where run = ?1)
  and (t.revision <> s.revision or t.kind <> case s.state when 'planning' then 'plan' else 'section' end)
