-- add_samples: a new sample; one whose key is there already adds nothing.
insert into sample (run, sample, ordinal, key, range, config_version, estimate)
values (?1, ?2, ?3, ?4, ?5, (select config_version from run where run.run = ?1), ?6)
on conflict (run, sample) do nothing
