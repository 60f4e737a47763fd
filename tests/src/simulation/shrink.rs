//! Makes a failing script small: fewer operations, fewer samples, fewer faults, while it still fails.

use super::script::Script;

/// The smallest script found from this one that still fails by `fails`.
pub fn shrink(script: &Script, fails: impl Fn(&Script) -> bool) -> Script {
    let mut least = script.clone();
    loop {
        let before = least.clone();
        drop_ops(&mut least, &fails);
        simplify(&mut least, &fails);
        if least == before {
            return least;
        }
    }
}

/// Halves first, single operations in the end.
fn drop_ops(least: &mut Script, fails: &impl Fn(&Script) -> bool) {
    let mut size = least.ops.len().div_ceil(2);
    while size > 0 && !least.ops.is_empty() {
        let mut start = 0;
        while start < least.ops.len() {
            let mut fewer = least.clone();
            fewer.ops.drain(start..(start + size).min(least.ops.len()));
            if fails(&fewer) {
                *least = fewer;
            } else {
                start += size;
            }
        }
        size = if size == 1 { 0 } else { size.div_ceil(2) };
    }
}

fn simplify(least: &mut Script, fails: &impl Fn(&Script) -> bool) {
    let changes: [fn(&mut Script); 9] = [
        |script| script.samples = (script.samples / 2).max(1),
        |script| script.samples = (script.samples - 1).max(1),
        |script| script.endpoint_faults = 0,
        |script| script.queue_faults = 0,
        |script| script.store_faults = 0,
        |script| script.budgets = false,
        |script| script.parallel = false,
        |script| script.concurrency = 1,
        |script| script.latency_ms = 20,
    ];
    for change in changes {
        let mut simpler = least.clone();
        change(&mut simpler);
        if simpler != *least && fails(&simpler) {
            *least = simpler;
        }
    }
}
