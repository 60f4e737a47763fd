-- record_result: the accepted text is an earlier attempt's candidate; that attempt is the committed one.
update attempt set outcome = 'committed' where attempt = ?1 and outcome = 'failed'
