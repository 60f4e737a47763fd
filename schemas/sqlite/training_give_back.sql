-- give_back_training: its holder lets it go.
update training set state = case when state = 'done' then state else ?3 end, reason = ?4, owner = null, lease_until = 0
where job = ?1 and fence = ?2 and owner is not null
