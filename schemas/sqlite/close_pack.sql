-- close_range: its members are final.
update sample set state = 'packed' where run = (select id from run where run = ?1) and range = ?2 and state = 'written'
