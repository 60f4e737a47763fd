-- violations (I1): a committed attempt answers for each accepted plan and section, and for no place two.
select x.sample, 'section ' || (x.place + 1) || ' has no committed attempt'
from section x left join attempt a on a.attempt = x.attempt
where x.run = $1 and (a.outcome is null or a.outcome <> 'committed')
union all
select p.sample, 'its plan has no committed attempt'
from plan p left join attempt a on a.attempt = p.attempt
where p.run = $1 and (a.outcome is null or a.outcome <> 'committed')
union all
select subject, kind || ' ' || place || ' has ' || count(*) || ' committed attempts'
from attempt where run = $1 and outcome = 'committed'
group by subject, kind, place, revision having count(*) > 1
