-- reserve: what this attempt has reserved so far. No row: it is not open, and nothing may be reserved for it.
select reserved_nanousd from attempt where attempt = $1 and outcome in ('started', 'orphaned') for update
