-- take_training: one owner at a time holds a job; the fence counts its takes. A wish to stop was for the trainer before.
update training set owner = $2, lease_until = $3, fence = fence + 1, state = 'running', reason = null, stop_asked = false
where job = $1 and state <> 'done' and (owner is null or owner = $2 or lease_until <= $4)
returning fence
