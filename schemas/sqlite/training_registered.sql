-- register_model: whether this holder has done it before.
select 1 from training where job = ?1 and fence = ?2 and model is not null
