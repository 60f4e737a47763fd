-- load_sample, unjudged, packed_samples and others: the sections of these revisions, in order; each text is looked up by its
-- hash. Rows: run, sample, revision.
select w.position, s.place, (select t.body from text t where t.hash = s.hash) as body, s.words, s.flags, s.attempt
from unnest($1::text[], $2::text[], $3::bigint[]) with ordinality as w (run, sample, revision, position)
join section s on s.run = w.run and s.sample = w.sample and s.revision = w.revision
order by w.position, s.place
