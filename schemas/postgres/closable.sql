-- closable: open ranges in which nothing is left to do, lowest first. From one range to the next by the index, and of each only
-- what may keep it open.
with recursive known (range) as (
  (select min(range) from sample where run = $1)
  union all
  select (select min(s.range) from sample s where s.run = $1 and s.range > known.range) from known where range is not null)
select range from known
where range is not null
  and not exists (select from shard h where h.run = $1 and h.range = known.range)
  and not exists (select from sample s where s.run = $1 and s.range = known.range
    and s.state in ('pending', 'planning', 'planned', 'writing'))
  and not exists (select from sample s where s.run = $1 and s.range = known.range and s.state = 'written' and s.verdict is null)
order by range
