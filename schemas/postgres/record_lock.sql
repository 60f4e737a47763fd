-- record_result: locks attempts before samples, each in the order of their keys (see `lock_attempts`, `lock_samples`); the tests
-- against null make the second wait for the first. How the attempts stand is what stands until the commit. Rows: attempts; run,
-- sample.
with held as materialized (
  select attempt, outcome, coalesce(reserved_nanousd, 0) as reserved_nanousd
  from attempt where attempt = any($1::text[]) order by attempt for update),
samples as materialized (
  select s.sample from unnest($2::text[], $3::text[]) as w (run, sample)
  join sample s on s.run = w.run and s.sample = w.sample
  where (select count(*) from held) is not null
  order by s.run, s.sample for update of s)
select attempt, outcome, reserved_nanousd from held where (select count(*) from samples) is not null
