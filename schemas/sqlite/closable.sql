-- closable: open ranges in which nothing is left to do, lowest first. Goes from range to range by the index, so that its cost
-- is the number of shards, not of samples.
with recursive ranges (range) as (
  select min(range) from sample where run = ?1
  union all
  select (select min(range) from sample where run = ?1 and range > ranges.range) from ranges where ranges.range is not null)
select r.range from ranges r
where r.range is not null
  and not exists (select 1 from shard h where h.run = ?1 and h.range = r.range)
  and not exists (select 1 from sample s where s.run = ?1 and s.range = r.range
    and s.state in ('pending', 'planning', 'planned', 'writing'))
  and not exists (select 1 from sample s indexed by sample_unjudged
    where s.run = ?1 and s.range = r.range and s.state = 'written' and s.verdict is null)
order by r.range
