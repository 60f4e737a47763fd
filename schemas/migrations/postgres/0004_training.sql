-- Training: jobs, rounds, leases of shards, checkpoints, the registered model.

create table training (
  job         text collate "C" primary key,
  spec        text not null,                            -- JSON, frozen, opaque here
  state       text collate "C" not null default 'running',     -- running stopped failed done
  reason      text,
  stop_asked  boolean not null default false,
  owner       text collate "C",                                   -- the trainer at work
  fence       bigint not null default 0,
  lease_until bigint not null default 0,
  seen_round  bigint not null default 0,
  seen_step   bigint not null default 0,
  model       text,                                     -- JSON, once
  created_at  bigint not null
) with (fillfactor = 70);

-- A round's shards never change, and its order only once, before its first step.
create table training_round (
  job        text collate "C" not null,
  round      bigint not null,
  epochs     bigint not null,
  shards     text not null,                             -- JSON of agentwrite::ports::TrainingShard
  detail     text not null,                             -- JSON, frozen with the shards
  order_hash text,
  closed     boolean not null default false,
  primary key (job, round)
);

-- Each shard once an epoch: leased by one round, done with the checkpoint that contains it.
create table training_lease (
  job   text collate "C" not null,
  epoch bigint not null,
  shard text collate "C" not null,                                -- SHA-256 of the file
  round bigint not null,
  done  bigint,                                          -- number of the checkpoint
  primary key (job, epoch, shard)
);

create table training_session (
  job          text collate "C" not null,
  session      bigint not null,
  round        bigint not null,
  begun_from   bigint,                                   -- number of the checkpoint
  redone_steps bigint not null,
  started_at   bigint not null,
  primary key (job, session)
);

create table training_checkpoint (
  job        text collate "C" not null,
  number     bigint not null,
  session    bigint not null,
  round      bigint not null,
  step       bigint not null,
  path       text not null,
  superseded boolean not null default false,
  detail     text not null,                             -- JSON
  at         bigint not null,
  primary key (job, number)
);

do $$
begin
  if exists (select from pg_roles where rolname = 'longhand') then
    grant insert, update on training, training_round, training_lease, training_session, training_checkpoint to longhand;
  end if;
end $$;
