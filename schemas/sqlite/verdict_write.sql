-- record_verdict: what was said; the later word stands.
insert into verdict (subject, verdict)
values ((select id from subject where run = (select id from run where run = ?1) and name = ?2), ?3)
on conflict (subject) do update set verdict = excluded.verdict
