-- unjudged: written samples without a verdict.
select sample from sample where run = $1 and state = 'written' and verdict is null order by ordinal limit $2
