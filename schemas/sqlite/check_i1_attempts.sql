-- violations (I1): a committed attempt answers for each accepted section.
select x.sample, 'section ' || (x.place + 1) || ' has no committed attempt'
from section x left join attempt a on a.attempt = x.attempt
where x.run = ?1 and (a.outcome is null or a.outcome <> 'committed')
