-- share_slots: slots of living processes by kind; a call needs one of its task's kind, so the kind with the most says how many calls
-- the fleet can make at once. And the time, in milliseconds since 1970: what the turn is, all planners must agree on.
select coalesce(max(slots), 0)::bigint, (extract(epoch from clock_timestamp()) * 1000)::bigint from (
  select sum(slots) as slots from process
  where until > (extract(epoch from clock_timestamp()) * 1000)::bigint group by kind) by_kind
