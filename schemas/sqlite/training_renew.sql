-- renew_training: only its holder prolongs a lease.
update training set lease_until = ?3, seen_round = ?4, seen_step = ?5
where job = ?1 and fence = ?2 and owner is not null
returning stop_asked
