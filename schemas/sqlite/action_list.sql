-- actions: oldest first.
select at, who, action, before, after from operator_action where run = (select id from run where run = ?1) order by id
