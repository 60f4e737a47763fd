-- unpublished: closed ranges whose files may not be in place.
select range from shard where run = (select id from run where run = ?1) and state = 'closed' order by range
