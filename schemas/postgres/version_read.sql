-- connect, migrate: the newest version that was reached.
select coalesce(max(version), 0) from _sqlx_migrations where success
