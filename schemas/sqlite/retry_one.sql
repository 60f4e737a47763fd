-- retry: one named sample, whatever its state; only a packed one cannot go on.
select n.name, s.subject, s.ordinal, s.state, s.code, s.range, s.revision, s.generation, s.places, s.filled, s.key, s.config_version,
  s.model from sample s join subject n on n.id = s.subject
where n.run = (select id from run where run = ?1) and n.name = ?2
