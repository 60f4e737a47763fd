-- add_samples: their input rows. Rows: sample, input, own_id, title.
insert into instruction (run, sample, input, own_id, title)
select $1, w.* from unnest($2::text[], $3::text[], $4::text[], $5::text[]) as w (sample, input, own_id, title)
