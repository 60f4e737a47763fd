-- run_list: runs, newest first; with a name those whose id starts with it or that bear it.
select r.run, r.name, r.state, r.reason, r.limits, r.created_at from run r
where ?1 is null or substr(r.run, 1, length(?1)) = ?1 or r.name = ?1 order by r.created_at desc, r.run
