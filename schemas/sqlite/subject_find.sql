-- add_samples, record_result: the number of a subject.
select id from subject where run = ?1 and name = ?2
