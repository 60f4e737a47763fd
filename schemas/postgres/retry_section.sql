-- retry: the new revision keeps a section; its text is not copied.
insert into section (run, sample, revision, place, hash, chain, words, flags, attempt)
select run, sample, $4, place, hash, $6, words, flags, attempt from section
where run = $1 and sample = $2 and revision = $3 and place = $5
