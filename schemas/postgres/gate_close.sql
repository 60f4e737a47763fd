-- close_gate: only ever prolonged.
insert into gate (endpoint, closed_until, reason) values ($1, $2, $3)
on conflict (endpoint) do update set closed_until = excluded.closed_until, reason = excluded.reason
where excluded.closed_until > gate.closed_until
