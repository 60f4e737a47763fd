-- admit (parallel mode): places that are filled already.
select place from section where subject = ?1 and revision = ?2
