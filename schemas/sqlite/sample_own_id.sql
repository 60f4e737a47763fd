-- samples_named: samples of the input row with this id.
select sample from instruction where run = ?1 and input ->> '$.id' = ?2 limit ?3
