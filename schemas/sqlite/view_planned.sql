-- admission_view: planned samples inside the window, longest first. The first test names the partial index.
select n.name, s.ordinal, s.places - s.filled as remaining from sample s join subject n on n.id = s.subject
where s.run = (select id from run where run = ?1) and s.state in ('pending', 'planning', 'planned', 'writing') and s.state = 'planned'
  and s.ordinal < ?2 order by remaining desc, s.ordinal limit ?3
