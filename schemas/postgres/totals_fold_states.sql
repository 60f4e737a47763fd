-- the writer, now and then: changes of state go into the totals.
with gone as (
  delete from run_state_delta where id in (select id from run_state_delta order by id limit 20000 for update skip locked)
  returning run, state, count)
insert into run_state_total as t (run, state, count)
select run, state, sum(count) from gone group by run, state order by run, state
on conflict (run, state) do update set count = t.count + excluded.count
