-- record_result: all places filled = written. Apart from the counting, so that only a change of state moves index entries.
update sample set state = 'written' where subject = ?1 and state = 'writing' and filled >= places
