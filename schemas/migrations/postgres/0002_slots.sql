-- Several runs share the slots of a fleet: who offers slots, and how many a run may use now.

-- Slots of the processes at work, by kind of task, as they say themselves with every heartbeat. One that is not heard of for
-- its lease counts no more.
create table process (
  owner text collate "C" not null,
  kind  text collate "C" not null,
  slots bigint not null,
  until bigint not null,                                -- by the database's clock
  primary key (owner, kind)
) with (fillfactor = 70);

-- Slots that a run may use now, as its planner last said. A table of its own: the row of `run` is read by every commit.
create table run_slots (
  run   text collate "C" primary key,
  slots bigint not null
) with (fillfactor = 70);

do $$
begin
  if exists (select from pg_roles where rolname = 'longhand') then
    grant insert, update, delete on process to longhand;
    grant insert, update on run_slots to longhand;
  end if;
end $$;
