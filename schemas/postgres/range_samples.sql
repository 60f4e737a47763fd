-- range_samples: what closing this range would pack, in input order.
select sample, verdict, config_version from sample
where run = $1 and range = $2 and state = 'written' and verdict is not null order by ordinal
