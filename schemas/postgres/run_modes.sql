-- record_result, dispatch_ready: whether follow-up tasks may be claimed or published at once.
select run, state, ordered from run where run = any($1::text[])
