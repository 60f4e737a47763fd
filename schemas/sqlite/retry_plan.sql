-- retry: the new revision keeps the plan by reference to its attempt.
insert into plan (subject, revision, plan, chain, attempt)
select subject, ?3, plan, ?4, attempt from plan where subject = ?1 and revision = ?2
