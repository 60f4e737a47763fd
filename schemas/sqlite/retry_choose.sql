-- retry: samples that may go on, in input order.
select n.name, s.subject, s.ordinal, s.state, s.code, s.range, s.revision, s.generation, s.places, s.filled, s.key, s.config_version,
  s.model from sample s join subject n on n.id = s.subject
where s.run = (select id from run where run = ?1) and (s.state = 'failed' or s.state = 'rejected' or s.state = 'cancelled')
  and (?2 is null or s.code = ?2) order by s.ordinal
