-- admit: moves the samples that are still in the expected state, in the order of their ids. A plan is made under the newest
-- configuration. The key finds the row: `|| ''` keeps the planner from going through all of that state instead, and the run
-- comes with each row, since a plan made early thinks that a run has few samples. Rows: run, sample, to, from.
with locked as materialized (
  select s.run, s.sample, w.come, w.go
  from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as w (run, sample, come, go)
  join sample s on s.run = w.run and s.sample = w.sample
  where s.state || '' = w.go and exists (select 1 from run r where r.run = w.run and r.state in ('running', 'paused'))
  order by s.run, s.sample for update of s)
update sample set state = locked.come, config_version = case when locked.come = 'planning'
  then (select r.config_version from run r where r.run = locked.run) else sample.config_version end
from locked where sample.run = locked.run and sample.sample = locked.sample
returning sample.sample, sample.state, ordinal, key, revision, generation, config_version, estimate, places, filled, chain, model
