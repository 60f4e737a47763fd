-- record_checkpoint: its files are in place. Said again, it is the same checkpoint.
insert into training_checkpoint (job, number, session, round, step, path, detail, at)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (job, number) do update set path = excluded.path, detail = excluded.detail
