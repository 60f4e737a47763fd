-- record_result: the sample has a plan and waits for admission. Rows: run, sample, places, chain.
with planned (run, sample, places, chain) as (values /*rows:4*/)
update sample set state = 'planned', places = planned.places, filled = 0, words = 0, chain = planned.chain
from planned
where sample.run = planned.run and sample.sample = planned.sample and sample.state = 'planning'
