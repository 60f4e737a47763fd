-- rescue_stalled, free_dead_owners: whether its call was paid for is unknown; its reservation stays as suspect spend.
update attempt set outcome = 'orphaned', ended_at = ?3 where task = ?1 and fence = ?2 and outcome = 'started'
