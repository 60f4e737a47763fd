-- admission_view: planned samples inside the window, longest first.
select sample, ordinal, places - filled as remaining from sample
where run = $1 and state = 'planned' and ordinal < $2 order by remaining desc, ordinal limit $3
