-- admission_view: pending samples inside the window, in input order.
select n.name, s.ordinal, s.estimate + 1 as remaining from sample s join subject n on n.id = s.subject
where s.run = (select id from run where run = ?1) and s.state = 'pending'
  and s.ordinal < ?2 order by s.ordinal limit ?3
