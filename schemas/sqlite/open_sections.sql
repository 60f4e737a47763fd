-- open_sections: what planned samples still lack. The first test names the partial index.
select coalesce(sum(places - filled), 0) from sample
where run = (select id from run where run = ?1) and (state = 'pending' or state = 'planning' or state = 'planned' or state = 'writing')
  and state in ('planned', 'writing')
