-- record_result, record_failure: an attempt that has not been settled yet, even if it was taken for lost (I6).
select outcome, reserved_nanousd from attempt where attempt = ?1 and outcome in ('started', 'orphaned')
