-- dispatch_ready: whether follow-up tasks may be claimed or published at once, and how many slots the run may use.
select r.run, r.state, r.ordered, s.slots from run r left join run_slots s on s.run = r.run where r.run = any($1::text[])
