-- create_run: its counters.
insert into run_total (run) values ($1) on conflict (run) do nothing
