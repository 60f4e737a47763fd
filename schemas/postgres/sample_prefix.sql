-- samples_named: ids that start with a prefix; $3 sorts behind every id that does.
select sample from sample where run = $1 and sample >= $2 and sample < $3 order by sample limit $4
