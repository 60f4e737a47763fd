-- close_range: turned down by a gate that compares samples.
update sample set state = 'rejected', code = ?3, reason = ?4
where subject = (select id from subject where run = (select id from run where run = ?1) and name = ?2)
  and range = ?5 and state = 'written'
