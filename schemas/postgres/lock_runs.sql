-- every intent that depends on the state of its runs: it holds while they work. Operators' intents wait for them, and they for
-- those. Taken first, in the order of the keys.
select pg_advisory_xact_lock_shared(key) from unnest($1::bigint[]) as k (key)
