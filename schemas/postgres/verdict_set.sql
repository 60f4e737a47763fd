-- record_verdict: a rejecting verdict rejects. Only on the revision that was judged. The key finds the row: `|| ''` keeps the
-- planner from going through all that are written instead. Rows: run, sample, revision, verdict, code, reason; each sample once.
with locked as materialized (
  select s.run, s.sample, w.verdict, w.code, w.reason
  from unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[])
    as w (run, sample, revision, verdict, code, reason)
  join sample s on s.run = w.run and s.sample = w.sample
  where s.revision = w.revision and s.state || '' = 'written'
  order by s.run, s.sample for update of s)
update sample set verdict = locked.verdict, state = case when locked.code is null then sample.state else 'rejected' end,
  code = locked.code, reason = locked.reason
from locked where sample.run = locked.run and sample.sample = locked.sample
