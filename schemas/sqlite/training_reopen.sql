-- begin_session: a round whose last checkpoint is given up is not whole any more.
update training_round set closed = 0 where job = ?1 and round >= ?2 and closed = 1
