-- whole_lengths: samples whose text is whole: state, words, required length, length score.
select s.state, s.words, (i.input::json -> 'length')::text as length,
  (s.verdict::json ->> 'length_score')::double precision as score
from sample s join instruction i on i.run = s.run and i.sample = s.sample
where s.run = $1 and s.state in ('written', 'packed', 'rejected') order by s.ordinal
