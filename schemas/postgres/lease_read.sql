-- leader: who has this name now, by the database's clock.
select owner from lease where name = $1 and until > (extract(epoch from clock_timestamp()) * 1000)::bigint
