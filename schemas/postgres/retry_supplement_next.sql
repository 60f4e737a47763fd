-- retry (dry run): the number that a supplementary shard would have.
select supplements + 1 from run where run = $1
