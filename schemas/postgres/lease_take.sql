-- lead: one owner at a time has a name; its term counts the changes of hands. The database's clock decides.
insert into lease (name, owner, term, until)
values ($1, $2, 1, (extract(epoch from clock_timestamp()) * 1000)::bigint + $3)
on conflict (name) do update set
  owner = excluded.owner,
  term = case when lease.owner = excluded.owner then lease.term else lease.term + 1 end,
  until = excluded.until
where lease.owner = excluded.owner or lease.until <= (extract(epoch from clock_timestamp()) * 1000)::bigint
returning term
