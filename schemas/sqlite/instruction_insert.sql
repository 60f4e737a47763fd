-- add_samples: its input row.
insert into instruction (subject, input) values (?1, ?2)
