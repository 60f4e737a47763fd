-- create_training: one job has an id; one that is there stays as it is.
insert into training (job, spec, created_at) values (?1, ?2, ?3) on conflict (job) do nothing
