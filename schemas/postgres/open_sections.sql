-- open_sections: what planned samples still lack.
select coalesce(sum(places - filled), 0)::bigint from sample where run = $1 and state in ('planned', 'writing')
