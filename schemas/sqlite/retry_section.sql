-- retry: the new revision keeps a section; its text is not copied.
insert into section (subject, revision, place, text, chain, words, flags, attempt)
select subject, ?3, place, text, ?5, words, flags, attempt from section
where subject = ?1 and revision = ?2 and place = ?4
