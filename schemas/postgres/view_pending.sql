-- admission_view: pending samples inside the window, in input order.
select sample, ordinal, estimate + 1 as remaining from sample
where run = $1 and state = 'pending' and ordinal < $2 order by ordinal limit $3
