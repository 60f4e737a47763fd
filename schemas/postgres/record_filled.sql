-- record_result: places of samples were filled; all filled = written. They are locked; one row per sample (an update sees a
-- sample once). Rows: run, sample, filled, words, chain.
update sample set filled = sample.filled + done.filled, words = sample.words + done.words, chain = done.chain,
  state = case when sample.state = 'writing' and sample.filled + done.filled >= sample.places then 'written'
          else sample.state end
from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::text[]) as done (run, sample, filled, words, chain)
where sample.run = done.run and sample.sample = done.sample
