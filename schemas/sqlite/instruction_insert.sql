-- add_samples: its input row.
insert into instruction (run, sample, input) values (?1, ?2, ?3)
