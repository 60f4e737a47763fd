-- record_verdict: a rejecting verdict rejects. Only on the revision that was judged.
update sample set judged = 1, state = case when ?4 is null then state else 'rejected' end, code = ?4, reason = ?5
where subject = (select id from subject where run = (select id from run where run = ?1) and name = ?2)
  and revision = ?3 and state = 'written'
