-- share_slots: how many slots the run may use from now on.
insert into run_slots (run, slots) values ($1, $2) on conflict (run) do update set slots = excluded.slots
