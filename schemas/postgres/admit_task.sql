-- admit: the tasks of admitted samples, ready and unpublished. One that is there already (retried) is made ready again.
-- Rows: run, kind, subject, place, revision, context_hash, remaining, ordinal, generation.
insert into task (run, kind, subject, place, revision, context_hash, remaining, ordinal, generation)
select * from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::bigint[], $8::bigint[],
    $9::bigint[]) as w (run, kind, subject, place, revision, context_hash, remaining, ordinal, generation)
order by run, kind, subject, place, revision
on conflict (run, kind, subject, place, revision) do update set state = 'ready', context_hash = excluded.context_hash,
  due_at = 0, published_at = null, owner = null, lease_until = null, failures = 0, crashes = 0, hint = '{}',
  generation = excluded.generation, remaining = excluded.remaining
where task.state in ('dead', 'dropped')
