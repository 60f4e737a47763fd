-- finish_run: where the run stands, and whether none of its samples needs anything but its shard, so that it may have ended.
select r.state, not exists (select 1 from run_state_now n where n.run = r.run and n.count > 0
  and n.state in ('pending', 'planning', 'planned', 'writing', 'written')) as over
from run r where r.run = $1
