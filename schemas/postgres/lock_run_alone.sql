-- control, retry, add_samples, close_range and others that change a run as a whole: nobody else is at work on it meanwhile.
select pg_advisory_xact_lock($1)
