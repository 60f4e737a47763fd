-- admit: whether follow-up tasks wait to be dispatched.
update run set ordered = $2 where run = $1 and ordered <> $2
