-- add_samples, record_result: a subject that nobody has named before.
insert into subject (run, name) values (?1, ?2)
