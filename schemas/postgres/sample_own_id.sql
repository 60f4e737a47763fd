-- samples_named: samples of the input row with this id.
select sample from instruction where run = $1 and own_id = $2 order by sample limit $3
