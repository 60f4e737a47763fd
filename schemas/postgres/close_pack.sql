-- close_range: its members are final.
update sample set state = 'packed' where run = $1 and range = $2 and state = 'written'
