-- the writer, now and then: one process folds at a time, the others pass.
select pg_try_advisory_xact_lock(7809910301)
