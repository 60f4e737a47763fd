-- record_result: the sample has a plan and waits for admission.
update sample set state = 'planned', places = ?2, filled = 0, words = 0, chain = ?3
where subject = ?1 and state = 'planning'
