-- record_result, record_failure, rescue_stalled: who holds the sample may change its tasks.
select s.sample from unnest($1::text[], $2::text[]) as w (run, sample)
join sample s on s.run = w.run and s.sample = w.sample order by s.run, s.sample for update of s
