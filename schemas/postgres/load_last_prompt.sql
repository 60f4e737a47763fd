-- load_sample: prompt tokens of the last committed call of this kind and revision: a plan's prompt is no part of the sections'
-- chain.
select prompt_tokens from attempt
where run = $1 and subject = $2 and revision = $3 and kind = $4 and outcome = 'committed' and prompt_tokens > 0
order by started_at desc, place desc limit 1
