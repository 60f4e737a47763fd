-- record_result: whether follow-up tasks may be claimed or published at once.
select state, ordered from run where run = ?1
