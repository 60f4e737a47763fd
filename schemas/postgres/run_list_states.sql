-- run_list: samples of these runs by state.
select run, state, count from run_state_now where run = any($1)
