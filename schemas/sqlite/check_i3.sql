-- violations (I3): a packed sample is a member of exactly one shard, and nobody else is.
select n.name, 'is packed but in no shard' from sample s join subject n on n.id = s.subject
where s.run = (select id from run where run = ?1) and s.state = 'packed'
  and not exists (select 1 from shard_member m where m.subject = s.subject)
union all
select n.name, 'is in ' || m.range || ' but ' || coalesce(s.state, 'unknown')
from shard_member m join subject n on n.id = m.subject left join sample s on s.subject = m.subject
where m.run = (select id from run where run = ?1) and (s.state is null or s.state <> 'packed')
union all
select n.name, 'is in a shard that is not closed' from shard_member m join subject n on n.id = m.subject
where m.run = (select id from run where run = ?1) and not exists (select 1 from shard h where h.run = m.run and h.range = m.range)
