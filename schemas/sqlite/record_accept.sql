-- record_result: the one test of acceptance. The context must be the one that stands and the place still empty (I1), and the
-- attempt must not have been settled before (I6); who holds the lease does not matter.
-- Rows: run, kind, subject, place, revision, context_hash, attempt.
with made (run, kind, subject, place, revision, context_hash, attempt) as (values /*rows:7*/)
update task set state = 'done', owner = null, lease_until = null, published_at = null
from made
where task.run = made.run and task.kind = made.kind and task.subject = made.subject and task.place = made.place
  and task.revision = made.revision and task.context_hash = made.context_hash and task.state in ('ready', 'claimed')
  and exists (select 1 from attempt where attempt.attempt = made.attempt and attempt.outcome in ('started', 'orphaned'))
returning task.run, task.kind, task.subject, task.place, task.generation, task.ordinal
