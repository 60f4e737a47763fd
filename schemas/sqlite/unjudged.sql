-- unjudged: written samples without a verdict.
select n.name from sample s indexed by sample_unjudged join subject n on n.id = s.subject
where s.run = (select id from run where run = ?1) and s.state = 'written' and s.judged = 0 order by s.ordinal limit ?2
