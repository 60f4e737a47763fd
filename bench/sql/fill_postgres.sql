-- bench million: :samples samples that are written, 20 sections each, in the one run of the store, as a run would leave them.
-- Their ids are hashes, so their rows lie in the order of writing and their index entries all over.
create temporary table filled as
select n, 'smp_' || substr(encode(sha256(n::text::bytea), 'hex'), 1, 16) as sample,
  encode(sha256(n::text::bytea), 'hex') as hash
from generate_series(1, :samples) n;
create temporary table places as
select n, sample, hash, place, encode(sha256((n || '.' || place)::bytea), 'hex') as own
from filled cross join generate_series(0, 20) place;

insert into sample (run, sample, ordinal, key, state, range, config_version, estimate, places, filled, words, chain)
select 'run_million', sample, 1000000 + n, hash, 'written', n / 1000, 1, 20, 20, 20, 6000, hash from filled order by n;
insert into instruction (run, sample, input, title)
select 'run_million', sample, '{}', 'Write about subject ' || n from filled order by n;
insert into plan (run, sample, revision, plan, chain, attempt)
select 'run_million', sample, 0, '{"steps":[]}', hash, 'fill_' || n || '.0' from filled order by n;
insert into text (hash, body)
select own, repeat(own, 5)::bytea from places where place > 0 order by n, place;
insert into section (run, sample, revision, place, hash, chain, words, flags, attempt)
select 'run_million', sample, 0, place, own, own, 300, '[]', 'fill_' || n || '.' || place
from places where place > 0 order by n, place;
insert into task (run, kind, subject, place, revision, context_hash, state, remaining, ordinal, fence, attempt)
select 'run_million', case place when 0 then 'plan' else 'section' end, sample, place, 0, own, 'done', 21 - place,
  1000000 + n, 1, 'fill_' || n || '.' || place
from places order by n, place;
insert into attempt (attempt, run, kind, subject, place, revision, generation, fence, owner, outcome, started_at, ended_at,
  endpoint, model, called, prompt_tokens, completion_tokens, first_token_ms, total_ms)
select 'fill_' || n || '.' || place, 'run_million', case place when 0 then 'plan' else 'section' end, sample, place, 0, 0, 1,
  'filler', 'committed', 1000, 2000, 'default', 'simulated', true, 1000, 500, 5, 50
from places order by n, place;
analyze;
