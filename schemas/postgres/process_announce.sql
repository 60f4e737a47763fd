-- announce: the slots that a process offers for each of its kinds, for so many milliseconds. The database's clock decides.
insert into process (owner, kind, slots, until)
select $1, kind, $3, (extract(epoch from clock_timestamp()) * 1000)::bigint + $4 from unnest($2::text[]) kind
on conflict (owner, kind) do update set slots = excluded.slots, until = excluded.until
