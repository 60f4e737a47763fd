-- admission_view: planned samples inside the window, longest first.
select n.name, s.ordinal, s.places - s.filled as remaining from sample s indexed by sample_planned join subject n on n.id = s.subject
where s.run = (select id from run where run = ?1) and s.state = 'planned' and s.ordinal < ?2
order by s.places - s.filled desc, s.ordinal limit ?3
