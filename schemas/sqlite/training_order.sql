-- freeze_order: the first hash stands.
update training_round set order_hash = coalesce(order_hash, ?3) where job = ?1 and round = ?2 returning order_hash
