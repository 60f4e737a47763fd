-- register_model: shards that are not done.
select count(*) from training_lease where job = $1 and done is null
