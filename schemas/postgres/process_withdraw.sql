-- withdraw: the slots of a process that stops, and of those that have been silent for long.
delete from process where owner = $1 or until < (extract(epoch from clock_timestamp()) * 1000)::bigint - 3600000
