-- finish_run: where the run stands now.
select state from run where run = $1
