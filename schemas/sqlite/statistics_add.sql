-- record_statistics: one row per run and 10 s.
insert into run_statistics (run, at, totals) values ((select id from run where run = ?1), ?2, ?3) on conflict (run, at) do nothing
