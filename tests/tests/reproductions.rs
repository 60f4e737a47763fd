//! Scripts that once failed, made small: each stays a test for ever.

use harness::simulation::{Script, run};

fn holds(json: &str) {
    let script = Script::from_json(json);
    let report = run(&script);
    assert_eq!(report.violation, None, "{json}");
}

#[test]
fn reproduction_quiet_world() {
    holds(
        r#"{"seed":0,"edition":"Embedded","samples":4,"shard_size":2,"concurrency":2,"parallel":false,"attempts":6,
        "budgets":false,"endpoint_faults":0,"store_faults":0,"queue_faults":0,"latency_ms":20,"ops":[]}"#,
    );
}
