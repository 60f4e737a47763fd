-- unbacked (I2): a task that counts as done has its result, and every message about to be sent has its task.
select n.name, 'plan task is done, its plan is not there' from task t join subject n on n.id = t.subject
where t.run = (select id from run where run = ?1) and t.state = 'done' and t.kind = 'plan'
  and not exists (select 1 from plan p where p.subject = t.subject and p.revision = t.revision)
union all
select n.name, 'task of section ' || (t.place + 1) || ' is done, its text is not there'
from task t join subject n on n.id = t.subject
where t.run = (select id from run where run = ?1) and t.state = 'done' and t.kind = 'section'
  and not exists (select 1 from section x where x.subject = t.subject and x.revision = t.revision and x.place = t.place)
union all
select 'outbox', 'message ' || o.id || ' is about to be sent for a task that is not there' from outbox o
where not exists (select 1 from task t where t.id = o.task)
