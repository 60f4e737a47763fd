-- sample_keys: in input order.
select key from sample where run = $1 order by ordinal
