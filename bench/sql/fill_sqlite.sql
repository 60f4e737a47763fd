-- bench million: :samples samples that are written, 20 sections each, in the one run of the store, as a run would leave them.
begin immediate;
create temporary table filled as
with recursive counted (n) as (select 1 union all select n + 1 from counted where n < :samples)
select n, 1000000 + n as subject, (select id from run where run = 'run_million') as run, randomblob(32) as hash from counted;
create temporary table places as
with recursive counted (place) as (select 0 union all select place + 1 from counted where place < 20)
select n, subject, run, place, n * 32 + place + 10000000 as id, randomblob(32) as own from filled cross join counted;

insert into subject (id, run, name)
select subject, run, 'smp_' || lower(substr(hex(hash), 1, 16)) from filled order by n;
insert into sample (subject, run, ordinal, key, state, range, config_version, estimate, places, filled, words, chain)
select subject, run, 1000000 + n, hash, 'written', n / 1000, 1, 20, 20, 20, 6000, hash from filled order by n;
insert into instruction (subject, input) select subject, '{}' from filled order by n;
insert into plan (subject, revision, plan, chain, attempt)
select subject, 0, '{"steps":[]}', hash, 'fill_' || n || '.0' from filled order by n;
insert into text (id, hash, body) select id, own, hex(own) || hex(own) || hex(own) || hex(own) || hex(own)
from places where place > 0 order by n, place;
insert into section (subject, revision, place, text, chain, words, flags, attempt)
select subject, 0, place, id, own, 300, '[]', 'fill_' || n || '.' || place from places where place > 0 order by n, place;
insert into task (id, run, kind, subject, place, revision, context_hash, state, remaining, ordinal, fence)
select id, run, case place when 0 then 'plan' else 'section' end, subject, place, 0, own, 'done', 21 - place, 1000000 + n, 1
from places order by n, place;
insert into attempt (task, fence, attempt, run, generation, owner, outcome, started_at, ended_at, endpoint, model, called,
  prompt_tokens, completion_tokens, first_token_ms, total_ms)
select id, 1, 'fill_' || n || '.' || place, run, 0, 'filler', 'committed', 1000, 2000, 'default', 'simulated', 1, 1000, 500, 5,
  50
from places order by n, place;
commit;
analyze;
pragma wal_checkpoint(truncate);
