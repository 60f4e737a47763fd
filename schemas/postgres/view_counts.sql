-- admission_view: samples that still need calls, and live tasks that count against the slots. A task that waits longer than
-- 5 s for its due time gives its place up ($2 = now + 5 s).
select
  (select coalesce(sum(count), 0)::bigint from run_state_now
    where run = $1 and state in ('pending', 'planning', 'planned', 'writing')) as unfinished,
  (select count(*) from task where run = $1 and kind = 'section' and state in ('ready', 'claimed') and due_at <= $2) as writing,
  (select count(*) from task where run = $1 and kind = 'plan' and state in ('ready', 'claimed') and due_at <= $2) as planning,
  coalesce((select min(ordinal) from (
    select min(ordinal) as ordinal from sample where run = $1 and state = 'pending'
    union all select min(ordinal) from sample where run = $1 and state = 'planning'
    union all select min(ordinal) from sample where run = $1 and state = 'planned'
    union all select min(ordinal) from sample where run = $1 and state = 'writing') first),
    (select max(ordinal) + 1 from sample where run = $1), 0) as window_start
