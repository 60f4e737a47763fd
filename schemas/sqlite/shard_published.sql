-- published: in order.
select range, rows, first_ordinal, last_ordinal, files from shard where run = (select id from run where run = ?1) and state = 'published' order by range
