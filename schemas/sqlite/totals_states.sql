-- totals, run_list: samples by state.
select state, count from run_state_total where run = (select id from run where run = ?1)
