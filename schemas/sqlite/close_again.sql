-- close_range: another packer takes a closed range over under a higher fence.
update shard set fence = fence + 1 where run = (select id from run where run = ?1) and range = ?2
returning fence, first_ordinal, last_ordinal
