-- unbacked (I2): a task that counts as done has its result, and every message about to be sent has its task.
select t.subject, 'plan task is done, its plan is not there' from task t
where t.run = $1 and t.state = 'done' and t.kind = 'plan'
  and not exists (select 1 from plan p where p.run = t.run and p.sample = t.subject and p.revision = t.revision)
union all
select t.subject, 'task of section ' || (t.place + 1) || ' is done, its text is not there' from task t
where t.run = $1 and t.state = 'done' and t.kind = 'section' and not exists (select 1 from section x
  where x.run = t.run and x.sample = t.subject and x.revision = t.revision and x.place = t.place)
union all
select o.subject, 'a message is about to be sent for a ' || o.kind || ' task that is not there' from outbox o
where o.run = $1 and not exists (select 1 from task t where t.run = o.run and t.kind = o.kind
  and t.subject = o.subject and t.place = o.place and t.revision = o.revision)
