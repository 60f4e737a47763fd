-- attempt_codes: failed attempts by code, rejected answers by gate; an attempt that has both of one name counts once.
select code, count(*) from (
  select attempt, code from attempt where run = $1 and code is not null
  union select attempt, gate from answer where run = $1 and gate not in ('cleaned', 'part', 'joined')) named
group by code order by 2 desc, 1
