-- admit: the task of an admitted sample, ready and unpublished. One that is there already (retried) is made ready again.
-- Parameters: run, kind, subject, place, revision, context_hash, remaining, ordinal, generation.
insert into task (run, kind, subject, place, revision, context_hash, remaining, ordinal, generation)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
on conflict (subject, kind, place, revision) do update set state = 'ready', context_hash = excluded.context_hash,
  due_at = 0, published_at = null, lease_until = null, failures = 0, crashes = 0, hint = '{}',
  generation = excluded.generation, remaining = excluded.remaining
where task.state in ('dead', 'dropped')
