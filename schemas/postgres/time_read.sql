-- time: the clock that decides leases, in milliseconds since 1970.
select (extract(epoch from clock_timestamp()) * 1000)::bigint
