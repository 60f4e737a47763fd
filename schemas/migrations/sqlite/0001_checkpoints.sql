-- The checkpoint store on SQLite. One row per thing that can be asked about; text is insert-only and addressed by its hash.
-- Times are milliseconds since 1970 UTC; money is nano-USD; hashes are 32-byte BLAKE3 as lower-case hexadecimal.

create table run (
  run            text primary key,
  name           text not null,
  state          text not null default 'pending',      -- pending running paused done failed cancelled
  reason         text,
  config_version integer not null default 1,
  limits         text not null,                         -- JSON of agentwrite::config::Limits
  ordered        integer not null default 0,            -- 1 in the tail: follow-up tasks wait to be dispatched
  control_epoch  integer not null default 0,
  supplements    integer not null default 0,            -- supplementary shards handed out
  created_at     integer not null
) without rowid;

create table run_config (
  run     text not null,
  version integer not null,
  config  text not null,                                -- JSON of agentwrite::config::RunConfig
  primary key (run, version)
) without rowid;

-- Counters of a run, changed in the same transactions as what they count.
create table run_total (
  run               text primary key,
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
) without rowid;

create table run_state_total (
  run   text not null,
  state text not null,
  count integer not null default 0,
  primary key (run, state)
) without rowid;

create table run_statistics (
  run    text not null,
  at     integer not null,                              -- start of the 10 s slot
  totals text not null,                                 -- JSON of agentwrite::ports::Totals
  primary key (run, at)
) without rowid;

create table operator_action (
  id     integer primary key,
  run    text not null,
  at     integer not null,
  who    text not null,
  action text not null,
  before text not null,
  after  text not null
);
create index operator_action_run on operator_action (run, id);

-- Texts, in the order in which they came: a revision that keeps a section refers to it, nothing is copied.
create table text (
  id   integer primary key,
  hash text not null,                                   -- of the body
  body text not null
);

create table sample (
  run            text not null,
  sample         text not null,
  ordinal        integer not null,
  key            text not null,
  state          text not null default 'pending',
  range          integer not null,                      -- agentwrite::ports::Range::number
  revision       integer not null default 0,
  generation     integer not null default 0,
  config_version integer not null,                      -- as of planning
  estimate       integer not null,                      -- expected steps before there is a plan
  places         integer not null default 0,
  filled         integer not null default 0,
  words          integer not null default 0,
  chain          text,                                  -- head of the hash chain
  model          text,                                  -- an operator's choice for this revision
  code           text,
  reason         text,
  verdict        text,                                  -- JSON of agentwrite::ports::Verdict, of this revision
  primary key (run, sample)
) without rowid;
create unique index sample_ordinal on sample (run, ordinal);
create index sample_state on sample (run, state, ordinal);
create index sample_range on sample (run, range, state);
create index sample_unjudged on sample (run, range, ordinal) where state = 'written' and verdict is null;

create table instruction (
  run    text not null,
  sample text not null,
  input  text not null,                                 -- JSON of agentwrite::sample::Input
  primary key (run, sample)
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
  run      text not null,
  sample   text not null,
  revision integer not null,
  plan     text not null,                               -- JSON of agentwrite::plan::Plan
  chain    text not null,
  attempt  text not null,
  primary key (run, sample, revision)
) without rowid;

create table section (
  run      text not null,
  sample   text not null,
  revision integer not null,
  place    integer not null,
  text     integer not null,                            -- text.id
  chain    text not null,
  words    integer not null,
  flags    text not null,                               -- JSON array of codes
  attempt  text not null,
  primary key (run, sample, revision, place)
) without rowid;

-- Results of kinds that have no table of their own.
create table result (
  run      text not null,
  kind     text not null,
  subject  text not null,
  place    integer not null,
  revision integer not null,
  body     text not null,
  attempt  text not null,
  primary key (run, kind, subject, place, revision)
) without rowid;

create table task (
  id           integer primary key,
  run          text not null,
  kind         text not null,
  subject      text not null,
  place        integer not null,
  revision     integer not null,
  context_hash text not null,
  state        text not null default 'ready',           -- ready claimed done dead dropped
  remaining    integer not null,
  ordinal      integer not null default 0,
  due_at       integer not null default 0,
  published_at integer,
  owner        text,
  lease_until  integer,
  fence        integer not null default 0,
  attempt      text,
  generation   integer not null default 0,
  failures     integer not null default 0,
  bad_answers  integer not null default 0,
  crashes      integer not null default 0,
  hint         text not null default '{}',
  unique (run, kind, subject, place, revision)
);
create index task_live on task (run, kind, remaining) where state in ('ready', 'claimed');

create table attempt (
  attempt           text primary key,
  run               text not null,
  kind              text not null,
  subject           text not null,
  place             integer not null,
  revision          integer not null,
  generation        integer not null,
  fence             integer not null,
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
  reserved_nanousd  integer
) without rowid;
create index attempt_subject on attempt (run, subject, started_at, place);
create index attempt_open on attempt (run, owner) where outcome = 'started';

-- Answers kept beside the accepted texts: rejected ones with their gate, and what cleaning changed. Insert-only.
create table answer (
  id        integer primary key,
  attempt   text not null unique,
  run       text not null,
  kind      text not null,
  subject   text not null,
  place     integer not null,
  revision  integer not null,
  text      integer not null,                           -- text.id of the answer as it came
  gate      text not null,
  evidence  text not null,
  candidate integer not null,
  context_hash text not null,
  reask     text
);
create index answer_subject on answer (run, subject, id);

create table outbox (
  id         integer primary key autoincrement,         -- never given out twice: a late delete must find nothing
  run        text not null,
  kind       text not null,
  subject    text not null,
  place      integer not null,
  revision   integer not null,
  created_at integer not null,
  unique (run, kind, subject, place, revision)
);

create table shard (
  run           text not null,
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
  run      text not null,
  sample   text not null,
  range    integer not null,
  revision integer not null,
  primary key (run, sample)
) without rowid;
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
