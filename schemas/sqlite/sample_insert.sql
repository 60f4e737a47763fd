-- add_samples: a new sample; one that is there already adds nothing.
insert into sample (subject, run, ordinal, key, range, config_version, estimate)
values (?1, ?2, ?3, ?4, ?5, (select config_version from run where id = ?2), ?6)
on conflict (subject) do nothing
