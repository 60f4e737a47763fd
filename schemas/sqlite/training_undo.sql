-- begin_session: what only a given-up checkpoint contains is not done.
update training_lease set done = null where job = ?1 and done > ?2
