-- violations (I5): an admitted sample has its live tasks, all others none (?3 = parallel).
select s.sample, 'is ' || s.state || ' with ' || count(t.id) || ' live tasks'
from sample s left join task t on t.run = s.run and t.subject = s.sample and t.state in ('ready', 'claimed')
  and t.kind in ('plan', 'section')
where s.run = ?1 group by s.sample, s.state
having count(t.id) <> case when s.state = 'planning' then 1
  when s.state = 'writing' then case when ?3 then s.places - s.filled else 1 end
  when s.state = 'failed' and ?3 then count(t.id) else 0 end
