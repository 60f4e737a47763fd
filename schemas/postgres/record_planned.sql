-- record_result: samples have a plan and wait for admission. They are locked. Rows: run, sample, places, chain. The key finds
-- the row: `|| ''` keeps the planner from going through all that are being planned instead.
update sample set state = 'planned', places = planned.places, filled = 0, words = 0, chain = planned.chain
from unnest($1::text[], $2::text[], $3::bigint[], $4::text[]) as planned (run, sample, places, chain)
where sample.run = planned.run and sample.sample = planned.sample and sample.state || '' = 'planning'
