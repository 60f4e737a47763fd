-- gate, reserve: until when the endpoint is closed.
select closed_until, reason from gate where endpoint = $1
