-- unjudged, packed_samples, complete_samples and others: samples with their input and standing plan, and whether they have
-- sections. Rows: run, sample.
select w.position, s.run, s.sample, s.ordinal, s.revision, s.config_version, s.model, i.input, p.plan,
  exists (select from section t where t.run = s.run and t.sample = s.sample and t.revision = s.revision) as has_sections
from unnest($1::text[], $2::text[]) with ordinality as w (run, sample, position)
join sample s on s.run = w.run and s.sample = w.sample
join instruction i on i.run = s.run and i.sample = s.sample
left join plan p on p.run = s.run and p.sample = s.sample and p.revision = s.revision
