-- load_sample: the standing plan.
select plan, chain from plan where subject = ?1 and revision = ?2
