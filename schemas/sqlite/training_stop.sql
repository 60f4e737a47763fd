-- stop_training: whoever holds it is asked; one that nobody holds is stopped at once.
update training set
  stop_asked = case when owner is not null and lease_until > ?2 then 1 else 0 end,
  reason = case when owner is not null and lease_until > ?2 then reason when state = 'running' then 'user' else reason end,
  state = case when owner is not null and lease_until > ?2 then state when state = 'running' then 'stopped' else state end
where job = ?1 and state <> 'done'
