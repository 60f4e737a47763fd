-- attempt_codes: failed attempts by code, rejected answers by gate; an attempt that has both of one name counts once.
select code, count(*) from (
  select task, fence, code from attempt where run = (select id from run where run = ?1) and code is not null
  union select k.task, k.fence, k.gate from answer k join task t on t.id = k.task
    where t.run = (select id from run where run = ?1) and k.gate not in ('cleaned', 'part', 'joined'))
group by code order by 2 desc, 1
