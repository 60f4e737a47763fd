-- outlines: the sections of these revisions without their texts, in order. Rows: sample, revision.
select w.position, s.place, s.words, s.flags
from unnest($2::text[], $3::bigint[]) with ordinality as w (sample, revision, position)
join section s on s.run = $1 and s.sample = w.sample and s.revision = w.revision
order by w.position, s.place
