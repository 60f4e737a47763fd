-- violations (I3): a packed sample is a member of exactly one shard, and nobody else is.
select s.sample, 'is packed but in no shard' from sample s
where s.run = $1 and s.state = 'packed'
  and not exists (select 1 from shard_member m where m.run = s.run and m.sample = s.sample)
union all
select m.sample, 'is in ' || m.range || ' but ' || coalesce(s.state, 'unknown')
from shard_member m left join sample s on s.run = m.run and s.sample = m.sample
where m.run = $1 and (s.state is null or s.state <> 'packed')
union all
select m.sample, 'is in a shard that is not closed' from shard_member m
where m.run = $1 and not exists (select 1 from shard h where h.run = m.run and h.range = m.range)
