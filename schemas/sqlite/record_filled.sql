-- record_result: places of samples were filled; all filled = written. One row per sample (an update sees a sample once).
-- Rows: run, sample, filled, words, chain.
with done (run, sample, filled, words, chain) as (values /*rows:5*/)
update sample set filled = sample.filled + done.filled, words = sample.words + done.words, chain = done.chain,
  state = case when sample.state = 'writing' and sample.filled + done.filled >= sample.places then 'written'
          else sample.state end
from done
where sample.run = done.run and sample.sample = done.sample
