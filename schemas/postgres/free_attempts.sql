-- free_dead_owners: attempts that are open without a claim, because their task was done by another or dropped.
update attempt set outcome = 'orphaned', ended_at = $2 where outcome = 'started' and owner <> $1 returning run
