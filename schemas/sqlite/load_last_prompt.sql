-- load_sample: prompt tokens of the last committed call of this kind and revision: a plan's prompt is no part of the sections'
-- chain, and a continuing call's holds more than the chain. The first row: without a limit, few rows are sorted in memory instead of in a temporary table.
select a.prompt_tokens from task t join attempt a on a.task = t.id and a.outcome = 'committed' and a.prompt_tokens > 0
where t.subject = ?1 and t.kind = ?2 and t.revision = ?3
  and not exists (select 1 from attempt p where p.task = t.id and p.outcome = 'part')
order by a.started_at desc, t.place desc
