-- add_samples: new samples, in input order. Rows: sample, ordinal, key, range, estimate.
insert into sample (run, sample, ordinal, key, range, config_version, estimate)
select $1, w.sample, w.ordinal, w.key, w.range, r.config_version, w.estimate
from unnest($2::text[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[]) as w (sample, ordinal, key, range, estimate)
cross join run r where r.run = $1
