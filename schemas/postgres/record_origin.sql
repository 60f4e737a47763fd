-- record_result: the accepted texts are earlier attempts' candidates; those attempts are the committed ones. They are locked.
update attempt set outcome = 'committed' where attempt = any($1::text[])
