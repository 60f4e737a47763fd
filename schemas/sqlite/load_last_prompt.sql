-- load_sample: prompt tokens of the last committed call of this sample's standing revision.
select prompt_tokens from attempt
where run = ?1 and subject = ?2 and revision = ?3 and outcome = 'committed' and prompt_tokens > 0
order by started_at desc limit 1
