-- begin_session: where it goes on from is its lineage.
insert into training_session (job, session, round, begun_from, redone_steps, started_at) values (?1, ?2, ?3, ?4, ?5, ?6)
