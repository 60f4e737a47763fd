-- record_result: everything that results leave behind, in one statement; attempts and samples are locked.
-- Attempts end, one that was taken for orphaned too: attempt, outcome, code, ended_at, endpoint, model, status, called, prompt,
-- cached, completion, reasoning tokens, first token, total ms, cost. Texts, each once, in the order of their hashes: hash, body.
-- Sections, insert-only: run, sample, revision, place, hash, chain, words, flags, attempt. Plans, insert-only: run, sample,
-- revision, plan, chain, attempt. Samples, each once: run, sample, places of a plan or null, filled places, words, chain; one
-- with a plan waits for admission, one with all places filled is written. `|| ''`: the key finds the row.
with ended as (
  update attempt set outcome = w.outcome, code = w.code, ended_at = w.ended_at, endpoint = w.endpoint, model = w.model,
    status = w.status, called = w.called, prompt_tokens = w.prompt_tokens, cached_tokens = w.cached_tokens,
    completion_tokens = w.completion_tokens, reasoning_tokens = w.reasoning_tokens, first_token_ms = w.first_token_ms,
    total_ms = w.total_ms, cost_nanousd = w.cost_nanousd
  from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::bigint[], $8::boolean[],
      $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[])
    as w (attempt, outcome, code, ended_at, endpoint, model, status, called, prompt_tokens, cached_tokens, completion_tokens,
      reasoning_tokens, first_token_ms, total_ms, cost_nanousd)
  where attempt.attempt = w.attempt and attempt.outcome || '' in ('started', 'orphaned')),
texts as (
  insert into text (hash, body) select * from unnest($16::text[], $17::bytea[]) as w (hash, body) order by hash
  on conflict (hash) do nothing),
sections as (
  insert into section (run, sample, revision, place, hash, chain, words, flags, attempt)
  select * from unnest($18::text[], $19::text[], $20::bigint[], $21::bigint[], $22::text[], $23::text[], $24::bigint[],
    $25::text[], $26::text[])),
plans as (
  insert into plan (run, sample, revision, plan, chain, attempt)
  select * from unnest($27::text[], $28::text[], $29::bigint[], $30::text[], $31::text[], $32::text[]))
update sample set
  places = coalesce(w.places, sample.places),
  filled = case when w.places is null then sample.filled else 0 end + w.filled,
  words = case when w.places is null then sample.words else 0 end + w.words,
  chain = w.chain,
  state = case when w.places is not null then 'planned'
    when sample.state = 'writing' and sample.filled + w.filled >= sample.places then 'written' else sample.state end
from unnest($33::text[], $34::text[], $35::bigint[], $36::bigint[], $37::bigint[], $38::text[])
  as w (run, sample, places, filled, words, chain)
where sample.run = w.run and sample.sample = w.sample and (w.places is null or sample.state || '' = 'planning')
