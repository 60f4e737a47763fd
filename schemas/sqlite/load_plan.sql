-- load_sample: the standing plan.
select plan, chain from plan where run = ?1 and sample = ?2 and revision = ?3
