-- create_run: its counters.
insert into run_total (run) values ((select id from run where run = ?1)) on conflict (run) do nothing
