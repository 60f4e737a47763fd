-- complete_samples: samples whose text is whole, in input order, paged by ordinal.
select sample, ordinal, state, code, config_version from sample
where run = $1 and ordinal > $2 and state in ('written', 'packed', 'rejected') order by ordinal limit $3
