-- The checkpoint store on SQLite. One row per thing that can be asked about; text is insert-only.
-- Times are milliseconds since 1970 UTC; money is nano-USD; hashes are 32-byte BLAKE3 as blobs.
--
-- Runs and subjects have small numbers, given in the order in which they came, and everything else is keyed by these: rows and
-- index entries of samples in work lie side by side, so that a commit touches few pages (docs/adr/0005).

create table run (
  id             integer primary key,
  run            text not null unique,
  name           text not null,
  state          text not null default 'pending',      -- pending running paused done failed cancelled
  reason         text,
  config_version integer not null default 1,
  limits         text not null,                         -- JSON of agentwrite::config::Limits
  ordered        integer not null default 0,            -- 1 in the tail: follow-up tasks wait to be dispatched
  control_epoch  integer not null default 0,
  supplements    integer not null default 0,            -- supplementary shards handed out
  created_at     integer not null
);

create table run_config (
  run     integer not null,
  version integer not null,
  config  text not null,                                -- JSON of agentwrite::config::RunConfig
  primary key (run, version)
) without rowid;

-- Counters of a run, changed in the same transactions as what they count.
create table run_total (
  run               integer primary key,
  sections          integer not null default 0,
  words             integer not null default 0,
  calls             integer not null default 0,
  failed_calls      integer not null default 0,
  wasted_calls      integer not null default 0,
  orphaned_calls    integer not null default 0,
  throttled_calls   integer not null default 0,
  prompt_tokens     integer not null default 0,
  cached_tokens     integer not null default 0,
  completion_tokens integer not null default 0,
  settled_nanousd   integer not null default 0,
  reserved_nanousd  integer not null default 0
);

create table run_state_total (
  run   integer not null,
  state text not null,
  count integer not null default 0,
  primary key (run, state)
) without rowid;

create table run_statistics (
  run    integer not null,
  at     integer not null,                              -- start of the 10 s slot
  totals text not null,                                 -- JSON of agentwrite::ports::Totals
  primary key (run, at)
) without rowid;

create table operator_action (
  id     integer primary key,
  run    integer not null,
  at     integer not null,
  who    text not null,
  action text not null,
  before text not null,
  after  text not null
);
create index operator_action_run on operator_action (run, id);

-- What tasks are about: samples, in the order of the input, and what other kinds of tasks name.
create table subject (
  id   integer primary key,
  run  integer not null,
  name text not null,                                   -- the id of a sample, or what the kind says
  unique (run, name)
);

-- Texts, in the order in which they came: a revision that keeps a section refers to it, nothing is copied.
create table text (
  id   integer primary key,
  hash blob not null,                                   -- of the body
  body text not null
);

create table sample (
  subject        integer primary key,
  run            integer not null,
  ordinal        integer not null,
  key            blob not null,
  state          text not null default 'pending',
  range          integer not null,                      -- agentwrite::ports::Range::number
  revision       integer not null default 0,
  generation     integer not null default 0,
  config_version integer not null,                      -- as of planning
  estimate       integer not null,                      -- expected steps before there is a plan
  places         integer not null default 0,
  filled         integer not null default 0,
  words          integer not null default 0,
  chain          blob,                                  -- head of the hash chain
  model          text,                                  -- an operator's choice for this revision
  code           text,
  reason         text,
  judged         integer not null default 0             -- 1: its verdict stands
);
create unique index sample_ordinal on sample (run, ordinal);
create index sample_range on sample (run, range, ordinal);
create index sample_unfinished on sample (run, state, ordinal) where state in ('pending', 'planning', 'planned', 'writing');
create index sample_planned on sample (run, places - filled desc, ordinal) where state = 'planned';
create index sample_unjudged on sample (run, range, ordinal) where state = 'written' and judged = 0;
create index sample_stopped on sample (run, state, ordinal) where state in ('failed', 'rejected', 'cancelled');

create table instruction (
  subject integer primary key,
  input   text not null                                 -- JSON of agentwrite::sample::Input
);

-- Verdicts that stand. Apart from the sample: a verdict is larger than all else that is known of it.
create table verdict (
  subject integer primary key,
  verdict text not null                                 -- JSON of agentwrite::ports::Verdict, of the standing revision
);

create trigger sample_added after insert on sample begin
  insert into run_state_total (run, state, count) values (new.run, new.state, 1)
    on conflict (run, state) do update set count = count + 1;
end;
create trigger sample_moved after update of state on sample when old.state <> new.state begin
  update run_state_total set count = count - 1 where run = old.run and state = old.state;
  insert into run_state_total (run, state, count) values (new.run, new.state, 1)
    on conflict (run, state) do update set count = count + 1;
end;

create table plan (
  id       integer primary key,
  subject  integer not null,
  revision integer not null,
  plan     text not null,                               -- JSON of agentwrite::plan::Plan
  chain    blob not null,
  attempt  text not null,
  unique (subject, revision)
);

create table section (
  subject  integer not null,
  revision integer not null,
  place    integer not null,
  text     integer not null,                            -- text.id
  chain    blob not null,
  words    integer not null,
  flags    text not null,                               -- JSON array of codes
  attempt  text not null,
  primary key (subject, revision, place)
) without rowid;

-- Results of kinds that have no table of their own.
create table result (
  subject  integer not null,
  kind     text not null,
  place    integer not null,
  revision integer not null,
  body     text not null,
  attempt  text not null,
  primary key (subject, kind, place, revision)
) without rowid;

-- A claim is the attempt of the task's standing fence: its owner and its id stand there.
create table task (
  id           integer primary key,
  run          integer not null,
  kind         text not null,
  subject      integer not null,
  place        integer not null,
  revision     integer not null,
  context_hash blob not null,
  state        text not null default 'ready',           -- ready claimed done dead dropped
  remaining    integer not null,
  ordinal      integer not null default 0,
  due_at       integer not null default 0,
  published_at integer,
  lease_until  integer,
  fence        integer not null default 0,
  generation   integer not null default 0,
  failures     integer not null default 0,
  bad_answers  integer not null default 0,
  crashes      integer not null default 0,
  hint         text not null default '{}',
  unique (subject, kind, place, revision)
);
-- Both hold all columns by which they are counted: counting reads no row.
create index task_live on task (run, kind, state) where state in ('ready', 'claimed');
-- In the order of dispatch: plans first, then the longest remaining chain.
create index task_waiting
  on task (run, kind = 'plan' desc, remaining desc, ordinal, kind, subject, place, due_at, state, published_at)
  where state = 'ready' and published_at is null;

-- Tries at a task, by the fence of their claim.
create table attempt (
  task              integer not null,
  fence             integer not null,
  attempt           text not null unique,
  run               integer not null,
  generation        integer not null,
  owner             text not null,
  outcome           text not null default 'started',    -- started committed failed wasted orphaned
  code              text,
  message           text,
  counted           text,                               -- failure crash nothing
  started_at        integer not null,
  ended_at          integer,
  endpoint          text,
  model             text,
  status            integer,
  called            integer not null default 0,
  prompt_tokens     integer not null default 0,
  cached_tokens     integer not null default 0,
  completion_tokens integer not null default 0,
  reasoning_tokens  integer not null default 0,
  first_token_ms    integer,
  total_ms          integer,
  cost_nanousd      integer,
  reserved_nanousd  integer,
  primary key (task, fence)
) without rowid;
create index attempt_open on attempt (run) where outcome = 'started';

-- Answers kept beside the accepted texts: rejected ones with their gate, and what cleaning changed. Insert-only.
create table answer (
  id           integer primary key,
  task         integer not null,
  fence        integer not null,                        -- of the attempt
  text         integer not null,                        -- text.id of the answer as it came
  gate         text not null,
  evidence     text not null,
  candidate    integer not null,
  context_hash blob not null,
  reask        text,
  unique (task, fence)
);

create table outbox (
  id         integer primary key autoincrement,         -- never given out twice: a late delete must find nothing
  task       integer not null unique,
  created_at integer not null
);

create table shard (
  run           integer not null,
  range         integer not null,
  state         text not null,                          -- closed published
  fence         integer not null default 1,
  rows          integer not null,
  first_ordinal integer not null,
  last_ordinal  integer not null,
  files         text not null default '[]',             -- JSON of agentwrite::ports::ShardFile
  closed_at     integer not null,
  published_at  integer,
  primary key (run, range)
) without rowid;

create table shard_member (
  subject  integer primary key,
  run      integer not null,
  range    integer not null,
  revision integer not null
);
create index shard_member_range on shard_member (run, range);

-- Token buckets as virtual schedules: the time at which the next unit is free.
create table bucket (
  bucket  text primary key,
  free_at real not null
) without rowid;

create table gate (
  endpoint     text primary key,
  closed_until integer not null,
  reason       text not null
) without rowid;
