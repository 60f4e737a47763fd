-- Roles with no more rights than they need. Run once by a superuser, connected to Longhand's database, before the first
-- `longhand migrate`:  psql -d longhand -f roles.sql
-- They cannot log in until they get a password:  alter role longhand login password '...'
--
--   longhand_owner   owns the schema; `longhand migrate` connects as this one, nothing else does
--   longhand         what the services connect as: it reads and writes rows, and changes no text that was accepted
--   longhand_reader  reads: dashboards, people

do $$
begin
  for role in 1..3 loop
    begin
      execute format('create role %I', (array['longhand_owner', 'longhand', 'longhand_reader'])[role]);
    exception when duplicate_object then null;
    end;
  end loop;
end $$;

revoke create on schema public from public;
grant usage, create on schema public to longhand_owner;
grant usage on schema public to longhand, longhand_reader;

-- Everybody may read what the owner makes from now on; what the services may write stands at the end of the migration that
-- makes the tables.
alter default privileges for role longhand_owner in schema public grant select on tables to longhand, longhand_reader;
