-- closable: open ranges in which nothing is left to do, lowest first. Goes from range to range by the index, so that its cost
-- is the number of shards, not of samples; what is unfinished is looked for between the ordinals of the range.
with recursive ranges (run, range) as (
  select r.id, (select min(range) from sample where run = r.id) from run r where r.run = ?1
  union all
  select run, (select min(range) from sample s where s.run = ranges.run and s.range > ranges.range) from ranges
  where ranges.range is not null),
open (run, range, first, last) as (
  select run, range, (select min(ordinal) from sample s where s.run = ranges.run and s.range = ranges.range),
    (select max(ordinal) from sample s where s.run = ranges.run and s.range = ranges.range)
  from ranges where range is not null
    and not exists (select 1 from shard h where h.run = ranges.run and h.range = ranges.range))
select o.range from open o
where not exists (select 1 from sample s indexed by sample_unfinished where s.run = o.run
    and (s.state = 'pending' or s.state = 'planning' or s.state = 'planned' or s.state = 'writing')
    and s.ordinal between o.first and o.last and s.range = o.range)
  and not exists (select 1 from sample s indexed by sample_unjudged
    where s.run = o.run and s.range = o.range and s.state = 'written' and s.judged = 0)
order by o.range
