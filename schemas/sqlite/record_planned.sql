-- record_result: the sample has a plan and waits for admission.
update sample set state = 'planned', places = ?3, filled = 0, words = 0, chain = ?4
where run = ?1 and sample = ?2 and state = 'planning'
