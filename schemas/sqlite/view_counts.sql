-- admission_view: samples that still need calls, and live tasks that count against the slots. A task that waits longer than
-- 5 s for its due time gives its place up (?2 = now + 5 s).
select
  (select coalesce(sum(count), 0) from run_state_total
    where run = r.id and state in ('pending', 'planning', 'planned', 'writing')) as unfinished,
  (select count(*) from task where run = r.id and kind = 'section' and state in ('ready', 'claimed'))
    - (select count(*) from task where run = r.id and kind = 'section' and state = 'ready' and published_at is null
      and due_at > ?2) as writing,
  (select count(*) from task where run = r.id and kind = 'plan' and state in ('ready', 'claimed'))
    - (select count(*) from task where run = r.id and kind = 'plan' and state = 'ready' and published_at is null
      and due_at > ?2) as planning,
  coalesce((select min(ordinal) from (
    select min(ordinal) as ordinal from sample where run = r.id and state = 'pending'
    union all select min(ordinal) from sample where run = r.id and state = 'planning'
    union all select min(ordinal) from sample where run = r.id and state = 'planned'
    union all select min(ordinal) from sample where run = r.id and state = 'writing')),
    (select max(ordinal) + 1 from sample where run = r.id), 0) as window_start
from run r where r.run = ?1
