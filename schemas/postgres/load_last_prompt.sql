-- load_sample: prompt tokens of the last committed call of this kind and revision: a plan's prompt is no part of the sections'
-- chain, and a continuing call's holds more than the chain.
select a.prompt_tokens from attempt a
where a.run = $1 and a.subject = $2 and a.revision = $3 and a.kind = $4 and a.outcome = 'committed' and a.prompt_tokens > 0
  and not exists (select from attempt p where p.run = a.run and p.subject = a.subject and p.revision = a.revision
    and p.kind = a.kind and p.place = a.place and p.outcome = 'part')
order by a.started_at desc, a.place desc limit 1
