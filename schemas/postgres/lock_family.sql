-- record_failure, rescue_stalled: the live tasks that go with a sample that fails; its lock keeps others from coming up.
select t.id from unnest($1::text[], $2::text[]) as w (run, subject)
join task t on t.run = w.run and t.subject = w.subject and t.state in ('ready', 'claimed') and t.kind in ('plan', 'section')
