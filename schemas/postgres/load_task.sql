-- load_sample: what the prompts of tasks are made from, but for the texts, which most have not yet: whether there are sections
-- and answers that may be candidates or parts, and the prompt tokens of the last committed call of the task's kind and the
-- sample's revision (a plan's prompt is no part of the sections' chain, and a continuing call's holds more than the chain; it
-- has a part, and parts stand among the answers, which a subject has few of).
-- Rows: run, kind, subject, place, revision.
select w.position, s.run, s.sample, s.ordinal, s.revision, s.config_version, s.model, i.input, p.plan,
  exists (select from section t where t.run = s.run and t.sample = s.sample and t.revision = s.revision) as has_sections,
  exists (select from answer a where a.run = w.run and a.subject = w.subject and a.kind = w.kind and a.place = w.place
    and a.revision = w.revision and (a.candidate or a.gate = 'part')) as has_answers,
  (select a.prompt_tokens from attempt a where a.run = w.run and a.subject = w.subject and a.revision = s.revision
    and a.kind = w.kind and a.outcome = 'committed' and a.prompt_tokens > 0
    and not exists (select from answer k where k.run = w.run and k.subject = w.subject and k.revision = a.revision
      and k.kind = a.kind and k.place = a.place and k.gate = 'part')
    order by a.started_at desc, a.place desc limit 1) as last_prompt_tokens
from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[]) with ordinality
  as w (run, kind, subject, place, revision, position)
join sample s on s.run = w.run and s.sample = w.subject
join instruction i on i.run = s.run and i.sample = s.sample
left join plan p on p.run = s.run and p.sample = s.sample and p.revision = s.revision
