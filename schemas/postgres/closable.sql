-- closable: open ranges in which nothing is left to do, lowest first.
select range from sample s where run = $1 and not exists (select 1 from shard h where h.run = $1 and h.range = s.range)
group by range
having bool_and(state in ('packed', 'rejected', 'failed', 'cancelled') or (state = 'written' and verdict is not null))
order by range
