-- register_model: one model a job; its trainer's work is over.
update training set model = $2, state = 'done', reason = null, owner = null, lease_until = 0 where job = $1 and model is null
