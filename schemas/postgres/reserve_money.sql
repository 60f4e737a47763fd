-- reserve: the reservation stands on the attempt (I6). Repeating the intent adds nothing.
update attempt set reserved_nanousd = $2 where attempt = $1 and outcome in ('started', 'orphaned')
