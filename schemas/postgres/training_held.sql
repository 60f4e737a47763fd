-- every fenced intent of a trainer: what follows in the transaction is its holder's. How far it has come.
select seen_round, seen_step from training where job = $1 and fence = $2 and owner is not null for update
