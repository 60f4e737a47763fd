-- admit: the sample if it is still in the expected state, in a run that may go on. A plan is made under the newest configuration.
select s.subject, s.run, s.ordinal, s.key, s.revision, s.generation, s.estimate, s.places, s.filled, s.chain, s.model,
  case when s.state = 'pending' then r.config_version else s.config_version end as config_version
from run r join subject n on n.run = r.id and n.name = ?2 join sample s on s.subject = n.id
where r.run = ?1 and r.state in ('running', 'paused') and s.state = ?3
