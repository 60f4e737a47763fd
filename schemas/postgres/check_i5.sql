-- violations (I5): an admitted sample has exactly one live task (parallel: one per empty place), all others none.
select s.sample, 'is ' || s.state || ' with ' || count(t.id) || ' live tasks'
from sample s join run_config c on c.run = s.run and c.version = s.config_version
left join task t on t.run = s.run and t.subject = s.sample and t.state in ('ready', 'claimed') and t.kind in ('plan', 'section')
where s.run = $1 group by s.run, s.sample, c.run, c.version
having count(t.id) <> case when s.state = 'planning' then 1
  when s.state = 'writing' then case when c.config::json -> 'text' ->> 'mode' = 'parallel' then s.places - s.filled else 1 end
  else 0 end
union all
select s.sample, 'is ' || s.state || ' at revision ' || s.revision || ' with a live ' || t.kind || ' task of ' || t.revision
from sample s join task t on t.run = s.run and t.subject = s.sample and t.state in ('ready', 'claimed')
  and t.kind in ('plan', 'section')
where s.run = $1 and (t.revision <> s.revision or t.kind <> case s.state when 'planning' then 'plan' else 'section' end)
