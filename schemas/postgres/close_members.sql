-- close_range: freezes the members (I3: the key makes a second membership an error).
insert into shard_member (run, sample, range, revision)
select run, sample, range, revision from sample where run = $1 and range = $2 and state = 'written'
