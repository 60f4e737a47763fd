//! Dashboards and alerts: `promtool` reads the rules and tries them on recorded series (`deploy/prometheus/tests`); every panel
//! of a live run shows something (`make dashboards-live`).

use std::time::Duration;

use harness::process::{fixed_sections, get, until_some};
use servers::prometheus::{Prometheus, promtool};
use telemetry::dashboards::{DASHBOARDS, filled};

use crate::{MOST, longhand, root, run, scratch, simulator};

#[test]
fn the_rules_are_rules_and_call_when_they_should() {
    let scratch = scratch();
    let folder = scratch.path();
    longhand(&["dashboards", "write", folder.to_str().expect("a path")]).finish(MOST).expect_code(0);
    let rules = "prometheus/rules/longhand.yml";
    let checked = promtool(folder, &["check", "rules", rules]);
    assert!(checked.status.success(), "{checked:?}");

    // A case compares annotations too, if there are any: the words of docs/OPERATIONS.md are compared elsewhere.
    let text = std::fs::read_to_string(folder.join(rules)).expect("the rules");
    let is_word =
        |line: &&str| ["annotations:", "summary:", "look:", "action:"].iter().any(|word| line.trim().starts_with(word));
    let bare = text.lines().filter(|line| !is_word(line)).collect::<Vec<_>>().join("\n");
    std::fs::write(folder.join(rules), bare).expect("a file");
    let cases = std::fs::read_to_string(root().join("deploy/prometheus/tests/longhand.yml")).expect("the cases");
    for alert in telemetry::dashboards::ALERTS {
        assert!(cases.contains(alert.name), "no case tries {}", alert.name);
    }
    std::fs::create_dir(folder.join("prometheus/tests")).expect("a folder");
    std::fs::write(folder.join("prometheus/tests/longhand.yml"), &cases).expect("a file");
    let tried = promtool(folder, &["test", "rules", "prometheus/tests/longhand.yml"]);
    assert!(tried.status.success(), "{tried:?}");

    // A rule that never calls would be found.
    let deaf = std::fs::read_to_string(folder.join(rules))
        .expect("the rules")
        .replace("max(longhand_queue_dead_letters) > 0", "max(longhand_queue_dead_letters) > 9");
    std::fs::write(folder.join(rules), deaf).expect("a file");
    assert!(!promtool(folder, &["test", "rules", "prometheus/tests/longhand.yml"]).status.success());
}

/// What only a broker shows: no panel of a run in one process has it.
fn is_of_a_broker(expression: &str) -> bool {
    expression.contains("rabbitmq_") || expression.contains("longhand_queue_")
}

/// A run in one process with faults, a price and a cap, scraped by Prometheus: every panel shows something.
#[test]
#[ignore = "half a minute with a server of its own: make dashboards-live"]
fn every_panel_shows_something_of_a_live_run() {
    let scratch = scratch();
    let rows = fixed_sections(scratch.path(), "rows.jsonl", 400, 4, 200);
    let endpoint =
        simulator(&["--latency-ms", "200", "--cache-tokens", "2000000", "--faults", "reset=0.05,refusal=0.05"]);
    let working = run(&endpoint, &rows, &scratch.path().join("out"))
        .args(["--concurrency", "16", "--metrics", "127.0.0.1:0", "--shard-size", "8"])
        .args(["--max-cost", "1000", "--price-in", "1", "--price-out", "2", "--yes"])
        .start();
    let page = until_some(MOST, "the run says where its metrics are", || {
        let printed = working.stderr();
        let line = printed.lines().find_map(|line| line.strip_prefix("metrics at http://"))?;
        line.strip_suffix("/metrics").map(str::to_owned)
    });
    let prometheus = Prometheus::start(&[page]);
    let queries: Vec<(&str, String)> = DASHBOARDS
        .iter()
        .flat_map(|dashboard| dashboard.panels)
        .flat_map(|panel| {
            panel.queries.iter().map(|query| (panel.title, filled(query.expression, "20s").replace("[30m]", "[20s]")))
        })
        .filter(|(_, expression)| !is_of_a_broker(expression))
        .collect();
    assert!(queries.len() > 40, "{}", queries.len());
    for (title, expression) in queries {
        until_some(Duration::from_secs(40), &format!("{title} shows something: {expression}"), || {
            let answer = get(prometheus.address(), &format!("/api/v1/query?query={}", encoded(&expression))).ok()?;
            let values = answer["data"]["result"].as_array()?.iter().filter_map(|it| it["value"][1].as_str());
            values.filter(|value| *value != "NaN").count().checked_sub(1)
        });
    }
    working.kill();
}

/// For a URL's query.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
