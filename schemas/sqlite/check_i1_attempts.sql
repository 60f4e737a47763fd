-- violations (I1): a committed attempt answers for each accepted plan and section, and for no place two.
select n.name, 'section ' || (x.place + 1) || ' has no committed attempt'
from subject n join section x on x.subject = n.id left join attempt a on a.attempt = x.attempt
where n.run = (select id from run where run = ?1) and (a.outcome is null or a.outcome <> 'committed')
union all
select n.name, 'its plan has no committed attempt'
from subject n join plan p on p.subject = n.id left join attempt a on a.attempt = p.attempt
where n.run = (select id from run where run = ?1) and (a.outcome is null or a.outcome <> 'committed')
union all
select n.name, t.kind || ' ' || t.place || ' has ' || count(*) || ' committed attempts'
from attempt a join task t on t.id = a.task join subject n on n.id = t.subject
where a.run = (select id from run where run = ?1) and a.outcome = 'committed' group by a.task having count(*) > 1
