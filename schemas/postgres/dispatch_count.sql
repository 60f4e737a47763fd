-- dispatch_ready, record_result (tail): live tasks of a run by kind: how many hold a slot (claimed, or published and not yet
-- claimed), and the slots that living processes offer for the kind; null while nobody does.
select kind, count(*) filter (where state = 'claimed' or published_at is not null) as busy,
  (select sum(p.slots)::bigint from process p
   where p.kind = task.kind and p.until > (extract(epoch from clock_timestamp()) * 1000)::bigint) as offered
from task where run = $1 and state in ('ready', 'claimed') group by kind
