-- violations (I8): the standing sections of a sample, in order.
select x.place, x.chain, x.hash, t.body from section x join text t on t.hash = x.hash
where x.run = $1 and x.sample = $2 and x.revision = $3 order by x.place
