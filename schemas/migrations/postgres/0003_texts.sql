-- Texts are most of what is written. Where the server has lz4 it packs them with a fraction of the work that its older method
-- takes; what is there already stays as it is and is read like the rest.
do $$
begin
  execute 'alter table text alter column body set compression lz4';
exception
  when feature_not_supported then null;
end $$;
