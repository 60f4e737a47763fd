-- close_range: freezes the members (I3: the key makes a second membership an error).
insert into shard_member (subject, run, range, revision)
select subject, run, range, revision from sample
where run = (select id from run where run = ?1) and range = ?2 and state = 'written'
