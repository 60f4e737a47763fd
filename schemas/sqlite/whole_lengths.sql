-- whole_lengths: samples whose text is whole: state, words, required length, length score.
select s.state, s.words, i.input -> '$.length' as length,
  (select v.verdict ->> '$.length_score' from verdict v where v.subject = s.subject and s.judged = 1) as score
from sample s join instruction i on i.subject = s.subject
where s.run = (select id from run where run = ?1) and s.state in ('written', 'packed', 'rejected') order by s.ordinal
