-- violations (I8): the standing sections of a sample, in order.
select x.place, x.chain, t.hash, t.body from section x join text t on t.id = x.text
where x.subject = ?1 and x.revision = ?2 order by x.place
