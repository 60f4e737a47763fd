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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::What;

    #[test]
    fn keeps_what_the_failure_needs_and_nothing_else() {
        let script = (0..10_000).map(Script::of_seed).find(|script| {
            script.ops.len() > 4 && script.ops.iter().any(|op| op.what == What::WipeQueue) && script.samples > 4
        });
        let wipes = |script: &Script| script.ops.iter().any(|op| op.what == What::WipeQueue) && script.samples >= 3;
        let least = shrink(&script.unwrap(), wipes);
        assert_eq!(least.ops.len(), 1);
        assert_eq!((least.samples, least.concurrency, least.endpoint_faults), (3, 1, 0));
    }

    #[test]
    fn a_script_is_what_its_json_says() {
        for seed in 0..200 {
            let script = Script::of_seed(seed);
            assert_eq!(Script::from_json(&script.to_json()), script);
        }
    }
}
