-- create_run: a run with this id, or the one that is there.
insert into run (run, name, limits, created_at) values ($1, $2, $3, $4) on conflict (run) do nothing
