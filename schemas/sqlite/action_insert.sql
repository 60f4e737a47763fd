-- control, retry: who did what, and what it was before and after.
insert into operator_action (run, at, who, action, before, after)
values ((select id from run where run = ?1), ?2, ?3, ?4, ?5, ?6)
