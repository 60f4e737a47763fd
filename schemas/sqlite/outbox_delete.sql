-- delete_outbox: confirmed messages.
delete from outbox where id = ?1
