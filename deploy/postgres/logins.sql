-- Lets the roles of roles.sql in, each with the password in its secret file. The container runs it after roles.sql when it
-- makes its database; after new passwords (deploy/secrets.sh) it is run again by hand:
--   docker compose exec postgres psql -d longhand -f /docker-entrypoint-initdb.d/20-logins.sql
\set owner `cat /run/secrets/owner`
\set service `cat /run/secrets/service`
\set reader `cat /run/secrets/reader`
alter role longhand_owner login password :'owner';
alter role longhand login password :'service';
alter role longhand_reader login password :'reader';
