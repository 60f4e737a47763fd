-- attempt_codes: failed attempts by code.
select code, count(*) from attempt where run = ?1 and outcome = 'failed' and code is not null group by code order by 2 desc, 1
