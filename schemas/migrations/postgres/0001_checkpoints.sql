-- The checkpoint store on PostgreSQL. One row per thing that can be asked about; text is insert-only and addressed by its hash.
-- Times are milliseconds since 1970 UTC; money is nano-USD; hashes are 32-byte BLAKE3 as lower-case hexadecimal; every
-- number is a bigint; JSON stands in text columns, byte for byte as it was written.
-- Ids sort by bytes (collate "C"), as everywhere else in Longhand. Volatile columns (lease, fence, due time, counters) stand
-- in no index, and the tables that hold them leave room on their pages, so that their updates stay on the page (HOT).

create table run (
  run            text collate "C" primary key,
  name           text not null,
  state          text not null default 'pending',      -- pending running paused done failed cancelled
  reason         text,
  config_version bigint not null default 1,
  limits         text not null,                         -- JSON of agentwrite::config::Limits
  ordered        boolean not null default false,        -- true in the tail: follow-up tasks wait to be dispatched
  control_epoch  bigint not null default 0,
  supplements    bigint not null default 0,             -- supplementary shards handed out
  created_at     bigint not null
) with (fillfactor = 70);

create table run_config (
  run     text collate "C" not null,
  version bigint not null,
  config  text not null,                                -- JSON of agentwrite::config::RunConfig
  primary key (run, version)
);

-- Counters of a run, changed in the same transactions as what they count. Many processes count at once, and a row that all
-- of them update would make them wait for each other: changes are rows of their own (`_delta`), folded into the totals now
-- and then. The sum of both (`_now`) is what counts.
create table run_total (
  run               text collate "C" primary key,
  sections          bigint not null default 0,
  words             bigint not null default 0,
  calls             bigint not null default 0,
  failed_calls      bigint not null default 0,
  wasted_calls      bigint not null default 0,
  orphaned_calls    bigint not null default 0,
  throttled_calls   bigint not null default 0,
  prompt_tokens     bigint not null default 0,
  cached_tokens     bigint not null default 0,
  completion_tokens bigint not null default 0,
  settled_nanousd   bigint not null default 0,
  reserved_nanousd  bigint not null default 0
) with (fillfactor = 70);

create table run_total_delta (
  id                bigint generated always as identity primary key,
  run               text collate "C" not null,
  sections          bigint not null default 0,
  words             bigint not null default 0,
  calls             bigint not null default 0,
  failed_calls      bigint not null default 0,
  wasted_calls      bigint not null default 0,
  orphaned_calls    bigint not null default 0,
  throttled_calls   bigint not null default 0,
  prompt_tokens     bigint not null default 0,
  cached_tokens     bigint not null default 0,
  completion_tokens bigint not null default 0,
  settled_nanousd   bigint not null default 0,
  reserved_nanousd  bigint not null default 0
);
create index run_total_delta_run on run_total_delta (run);

create view run_total_now as
select run, sum(sections)::bigint as sections, sum(words)::bigint as words, sum(calls)::bigint as calls,
  sum(failed_calls)::bigint as failed_calls, sum(wasted_calls)::bigint as wasted_calls,
  sum(orphaned_calls)::bigint as orphaned_calls, sum(throttled_calls)::bigint as throttled_calls,
  sum(prompt_tokens)::bigint as prompt_tokens, sum(cached_tokens)::bigint as cached_tokens,
  sum(completion_tokens)::bigint as completion_tokens, sum(settled_nanousd)::bigint as settled_nanousd,
  sum(reserved_nanousd)::bigint as reserved_nanousd
from (
  select run, sections, words, calls, failed_calls, wasted_calls, orphaned_calls, throttled_calls, prompt_tokens,
    cached_tokens, completion_tokens, settled_nanousd, reserved_nanousd from run_total
  union all
  select run, sections, words, calls, failed_calls, wasted_calls, orphaned_calls, throttled_calls, prompt_tokens,
    cached_tokens, completion_tokens, settled_nanousd, reserved_nanousd from run_total_delta) each
group by run;

create table run_state_total (
  run   text collate "C" not null,
  state text collate "C" not null,
  count bigint not null default 0,
  primary key (run, state)
) with (fillfactor = 70);

create table run_state_delta (
  id    bigint generated always as identity primary key,
  run   text collate "C" not null,
  state text collate "C" not null,
  count bigint not null
);
create index run_state_delta_run on run_state_delta (run);

create view run_state_now as
select run, state, sum(count)::bigint as count
from (select run, state, count from run_state_total union all select run, state, count from run_state_delta) each
group by run, state;

create table run_statistics (
  run    text collate "C" not null,
  at     bigint not null,                               -- start of the 10 s slot
  totals text not null,                                 -- JSON of agentwrite::ports::Totals
  primary key (run, at)
);

create table operator_action (
  id     bigint generated always as identity primary key,
  run    text collate "C" not null,
  at     bigint not null,
  who    text not null,
  action text not null,
  before text not null,
  after  text not null
);
create index operator_action_run on operator_action (run, id);

-- Texts by hash: a revision that keeps a section refers to it, nothing is copied. Bytes of UTF-8, since a PostgreSQL text
-- cannot hold U+0000 and an answer that was paid for is stored as it came.
create table text (
  hash text collate "C" primary key,
  body bytea not null
);

create table sample (
  run            text collate "C" not null,
  sample         text collate "C" not null,
  ordinal        bigint not null,
  key            text collate "C" not null,
  state          text collate "C" not null default 'pending',
  range          bigint not null,                       -- agentwrite::ports::Range::number
  revision       bigint not null default 0,
  generation     bigint not null default 0,
  config_version bigint not null,                       -- as of planning
  estimate       bigint not null,                       -- expected steps before there is a plan
  places         bigint not null default 0,
  filled         bigint not null default 0,
  words          bigint not null default 0,
  chain          text collate "C",                      -- head of the hash chain
  model          text,                                  -- an operator's choice for this revision
  code           text collate "C",
  reason         text,
  verdict        text,                                  -- JSON of agentwrite::ports::Verdict, of this revision
  primary key (run, sample)
) with (fillfactor = 75, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
create unique index sample_ordinal on sample (run, ordinal);
create index sample_state on sample (run, state, ordinal);
create index sample_range on sample (run, range, state);

create table instruction (
  run    text collate "C" not null,
  sample text collate "C" not null,
  input  text not null,                                 -- JSON of agentwrite::sample::Input
  own_id text collate "C",                              -- the input row's id
  title  text not null,                                 -- the first 120 characters of the instruction
  primary key (run, sample)
);
create index instruction_own_id on instruction (run, own_id) where own_id is not null;

create function count_samples_added() returns trigger language plpgsql as $$
begin
  insert into run_state_delta (run, state, count) select run, state, count(*) from added group by run, state;
  return null;
end $$;
create trigger sample_added after insert on sample referencing new table as added
  for each statement execute function count_samples_added();

create function count_samples_moved() returns trigger language plpgsql as $$
begin
  insert into run_state_delta (run, state, count)
  select run, state, sum(n) from (
    select run, state, -1 as n from old_rows union all select run, state, 1 from new_rows) moved
  group by run, state having sum(n) <> 0;
  return null;
end $$;
create trigger sample_moved after update on sample referencing old table as old_rows new table as new_rows
  for each statement execute function count_samples_moved();

create table plan (
  run      text collate "C" not null,
  sample   text collate "C" not null,
  revision bigint not null,
  plan     text not null,                               -- JSON of agentwrite::plan::Plan
  chain    text collate "C" not null,
  attempt  text collate "C" not null,
  primary key (run, sample, revision)
);

create table section (
  run      text collate "C" not null,
  sample   text collate "C" not null,
  revision bigint not null,
  place    bigint not null,
  hash     text collate "C" not null,                   -- text.hash
  chain    text collate "C" not null,
  words    bigint not null,
  flags    text not null,                               -- JSON array of codes
  attempt  text collate "C" not null,
  primary key (run, sample, revision, place)
);

-- Results of kinds that have no table of their own.
create table result (
  run      text collate "C" not null,
  kind     text collate "C" not null,
  subject  text collate "C" not null,
  place    bigint not null,
  revision bigint not null,
  body     text not null,
  attempt  text collate "C" not null,
  primary key (run, kind, subject, place, revision)
);

create table task (
  id           bigint generated always as identity primary key,
  run          text collate "C" not null,
  kind         text collate "C" not null,
  subject      text collate "C" not null,
  place        bigint not null,
  revision     bigint not null,
  context_hash text collate "C" not null,
  state        text collate "C" not null default 'ready', -- ready claimed done dead dropped
  remaining    bigint not null,
  ordinal      bigint not null default 0,
  due_at       bigint not null default 0,
  published_at bigint,
  owner        text collate "C",
  lease_until  bigint,
  fence        bigint not null default 0,
  attempt      text collate "C",
  generation   bigint not null default 0,
  failures     bigint not null default 0,
  bad_answers  bigint not null default 0,
  crashes      bigint not null default 0,
  hint         text not null default '{}',
  unique (run, kind, subject, place, revision)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
-- Holds nothing but what is live. Moving between ready and claimed changes no key of it, but `state` stands in its
-- predicate, so a change of state writes an index entry; leases, due times and counters do not.
create index task_live on task (run, kind, subject) where state in ('ready', 'claimed');

create table attempt (
  attempt           text collate "C" primary key,
  run               text collate "C" not null,
  kind              text collate "C" not null,
  subject           text collate "C" not null,
  place             bigint not null,
  revision          bigint not null,
  generation        bigint not null,
  fence             bigint not null,
  owner             text collate "C" not null,
  outcome           text collate "C" not null default 'started', -- started committed failed wasted orphaned
  code              text collate "C",
  message           text,
  counted           text,                               -- failure crash nothing
  started_at        bigint not null,
  ended_at          bigint,
  endpoint          text,
  model             text,
  status            bigint,
  called            boolean not null default false,
  prompt_tokens     bigint not null default 0,
  cached_tokens     bigint not null default 0,
  completion_tokens bigint not null default 0,
  reasoning_tokens  bigint not null default 0,
  first_token_ms    bigint,
  total_ms          bigint,
  cost_nanousd      bigint,
  reserved_nanousd  bigint
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
create index attempt_subject on attempt (run, subject, started_at);
create index attempt_open on attempt (run, owner) where outcome = 'started';

-- An attempt counted as failed or orphaned that turns out otherwise is counted so no more (I6): an earlier candidate that is
-- accepted after all, an answer that arrives after its worker was taken for dead.
create function recount_attempt() returns trigger language plpgsql as $$
begin
  insert into run_total_delta (run, failed_calls, orphaned_calls)
  values (new.run, -(old.outcome = 'failed')::int, -(old.outcome = 'orphaned')::int);
  return null;
end $$;
create trigger attempt_recounted after update of outcome on attempt for each row
  when (old.outcome in ('failed', 'orphaned') and new.outcome <> old.outcome) execute function recount_attempt();

-- Answers kept beside the accepted texts: rejected ones with their gate, and what cleaning changed. Insert-only.
create table answer (
  id           bigint generated always as identity primary key,
  attempt      text collate "C" not null unique,
  run          text collate "C" not null,
  kind         text collate "C" not null,
  subject      text collate "C" not null,
  place        bigint not null,
  revision     bigint not null,
  hash         text collate "C" not null,               -- text.hash of the answer as it came
  gate         text collate "C" not null,
  evidence     text not null,
  candidate    boolean not null,
  context_hash text collate "C" not null,
  reask        text
);
create index answer_subject on answer (run, subject, id);

create table outbox (
  id         bigint generated always as identity primary key, -- never given out twice: a late delete must find nothing
  run        text collate "C" not null,
  kind       text collate "C" not null,
  subject    text collate "C" not null,
  place      bigint not null,
  revision   bigint not null,
  created_at bigint not null,
  taken_at   bigint,                                    -- when a relay last took it
  unique (run, kind, subject, place, revision)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

create table shard (
  run           text collate "C" not null,
  range         bigint not null,
  state         text collate "C" not null,              -- closed published
  fence         bigint not null default 1,
  rows          bigint not null,
  first_ordinal bigint not null,
  last_ordinal  bigint not null,
  files         text not null default '[]',             -- JSON of agentwrite::ports::ShardFile
  closed_at     bigint not null,
  published_at  bigint,
  primary key (run, range)
);

create table shard_member (
  run      text collate "C" not null,
  sample   text collate "C" not null,
  range    bigint not null,
  revision bigint not null,
  primary key (run, sample)
);
create index shard_member_range on shard_member (run, range);

-- Token buckets as virtual schedules: the time at which the next unit is free.
create table bucket (
  bucket  text collate "C" primary key,
  free_at double precision not null
) with (fillfactor = 50);

create table gate (
  endpoint     text collate "C" primary key,
  closed_until bigint not null,
  reason       text not null
) with (fillfactor = 50);

-- Who may do what only one process may do at a time, and until when. A lapsed row is anybody's.
create table lease (
  name  text collate "C" primary key,
  owner text not null,
  term  bigint not null,
  until bigint not null
) with (fillfactor = 50);

-- What the services may write, where the roles of deploy/postgres/roles.sql are there. Everything accepted is insert-only for
-- them; only outbox rows and folded changes are ever deleted. A lock on a row asks for the right to update it.
do $$
begin
  if exists (select from pg_roles where rolname = 'longhand') then
    grant insert on run, run_config, run_total, run_total_delta, run_state_total, run_state_delta, run_statistics,
      operator_action, text, sample, instruction, plan, section, result, task, attempt, answer, outbox, shard, shard_member,
      bucket, gate, lease to longhand;
    grant update on run, run_total, run_total_delta, run_state_total, run_state_delta, sample, task, attempt, outbox, shard,
      bucket, gate, lease to longhand;
    grant delete on run_total_delta, run_state_delta, outbox to longhand;
  end if;
end $$;
