-- Training: jobs, rounds, leases of shards, checkpoints, the registered model.

create table training (
  job         text primary key,
  spec        text not null,                            -- JSON, frozen, opaque here
  state       text not null default 'running',     -- running stopped failed done
  reason      text,
  stop_asked  integer not null default 0,
  owner       text,                                   -- the trainer at work
  fence       integer not null default 0,
  lease_until integer not null default 0,
  seen_round  integer not null default 0,
  seen_step   integer not null default 0,
  model       text,                                     -- JSON, once
  created_at  integer not null
);

-- A round's shards never change, and its order only once, before its first step.
create table training_round (
  job        text not null,
  round      integer not null,
  epochs     integer not null,
  shards     text not null,                             -- JSON of agentwrite::ports::TrainingShard
  detail     text not null,                             -- JSON, frozen with the shards
  order_hash text,
  closed     integer not null default 0,
  primary key (job, round)
) without rowid;

-- Each shard once an epoch: leased by one round, done with the checkpoint that contains it.
create table training_lease (
  job   text not null,
  epoch integer not null,
  shard text not null,                                -- SHA-256 of the file
  round integer not null,
  done  integer,                                          -- number of the checkpoint
  primary key (job, epoch, shard)
) without rowid;

create table training_session (
  job          text not null,
  session      integer not null,
  round        integer not null,
  begun_from   integer,                                   -- number of the checkpoint
  redone_steps integer not null,
  started_at   integer not null,
  primary key (job, session)
) without rowid;

create table training_checkpoint (
  job        text not null,
  number     integer not null,
  session    integer not null,
  round      integer not null,
  step       integer not null,
  path       text not null,
  superseded integer not null default 0,
  detail     text not null,                             -- JSON
  at         integer not null,
  primary key (job, number)
) without rowid;
