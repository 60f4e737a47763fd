//! Scripts that once failed, made small: each stays a test for ever.

use harness::simulation::{Report, Script, run, run_on_sqlite};

fn holds(json: &str, run: impl Fn(&Script) -> Report) {
    let report = run(&Script::from_json(json));
    assert_eq!(report.violation, None, "{json}");
}

/// A claim was carried out and its answer lost; the heartbeat prolonged it with the rest, and its task never went on.
#[test]
fn reproduction_a_lost_claim_is_not_kept_alive() {
    holds(
        r#"{"seed":16,"edition":"Embedded","samples":3,"shard_size":4,"concurrency":1,"parallel":false,"attempts":3,
        "budgets":false,"endpoint_faults":0,"store_faults":30,"queue_faults":0,"latency_ms":20,"ops":[]}"#,
        run,
    );
}

/// A plan whose lines stood apart lost all of them but the last to the cleaning of sections, placeholders included.
#[test]
fn reproduction_a_plan_keeps_all_of_its_lines() {
    holds(
        r#"{"seed":30,"edition":"Fleet","samples":8,"shard_size":4,"concurrency":1,"parallel":false,"attempts":6,
        "budgets":false,"endpoint_faults":10,"store_faults":0,"queue_faults":0,"latency_ms":20,"ops":[]}"#,
        run,
    );
}

/// What was left of an echo, one word, was the best of two bad answers.
#[test]
fn reproduction_the_rest_of_an_echo_is_no_section() {
    holds(
        r#"{"seed":316,"edition":"Embedded","samples":4,"shard_size":3,"concurrency":1,"parallel":false,"attempts":6,
        "budgets":false,"endpoint_faults":10,"store_faults":0,"queue_faults":0,"latency_ms":20,"ops":[]}"#,
        run,
    );
}

/// A single word was the best of two bad answers.
#[test]
fn reproduction_a_word_is_no_section() {
    holds(
        r#"{"seed":940,"edition":"Fleet","samples":4,"shard_size":2,"concurrency":1,"parallel":false,"attempts":6,
        "budgets":false,"endpoint_faults":10,"store_faults":0,"queue_faults":0,"latency_ms":20,"ops":[]}"#,
        run,
    );
}

/// A row that was added to a closed range belonged to no open one and was never packed.
#[test]
fn reproduction_a_row_added_to_a_closed_range_is_packed() {
    let json = r#"{"seed":22,"edition":"Embedded","samples":3,"shard_size":2,"concurrency":4,"parallel":false,
        "attempts":6,"budgets":false,"endpoint_faults":0,"store_faults":0,"queue_faults":0,"latency_ms":20,
        "ops":[{"at_ms":7000,"what":{"Add":{"rows":1}}}]}"#;
    holds(json, run);
    holds(json, run_on_sqlite);
}
