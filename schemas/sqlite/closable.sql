-- closable: open ranges in which nothing is left to do, lowest first.
select range from sample s where run = ?1 and not exists (select 1 from shard h where h.run = ?1 and h.range = s.range)
group by range
having sum(case when state in ('packed', 'rejected', 'failed', 'cancelled') then 1
                when state = 'written' and verdict is not null then 1 else 0 end) = count(*)
order by range
