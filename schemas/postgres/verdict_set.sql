-- record_verdict: a rejecting verdict rejects. Only on the revision that was judged.
update sample set verdict = $4, state = case when $5::text is null then state else 'rejected' end, code = $5, reason = $6
where run = $1 and sample = $2 and revision = $3 and state = 'written'
