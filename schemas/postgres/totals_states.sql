-- totals: samples by state.
select state, count from run_state_now where run = $1
