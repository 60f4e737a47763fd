-- admit (parallel mode): places that are filled already.
select place from section where run = $1 and sample = $2 and revision = $3
