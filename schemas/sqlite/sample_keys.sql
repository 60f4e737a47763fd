-- sample_keys: in input order.
select key from sample where run = (select id from run where run = ?1) order by ordinal
