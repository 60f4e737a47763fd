-- step_down: only the owner's own; the next one need not wait.
update lease set until = 0 where name = $1 and owner = $2
