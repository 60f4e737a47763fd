-- A partial index whose test is `state in (...)` of three states or more costs every change of a state a table in memory, made
-- and thrown away, for each such index and once for the old row and once for the new: comparisons cost next to nothing.

drop index sample_unfinished;
drop index sample_stopped;
create index sample_unfinished on sample (run, state, ordinal)
  where state = 'pending' or state = 'planning' or state = 'planned' or state = 'writing';
create index sample_stopped on sample (run, state, ordinal)
  where state = 'failed' or state = 'rejected' or state = 'cancelled';
