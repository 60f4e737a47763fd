-- close_range, packed_samples: the members in input order.
select m.sample, s.verdict, s.config_version from shard_member m join sample s on s.run = m.run and s.sample = m.sample
where m.run = $1 and m.range = $2 order by s.ordinal
