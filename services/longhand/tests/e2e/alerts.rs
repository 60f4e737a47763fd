//! Dashboards and alerts: `promtool` reads the rules and tries them on recorded series (`deploy/prometheus/tests`); every panel
//! of a live fleet shows something (`make dashboards-live`).

use std::time::{Duration, Instant};

use harness::process::{Child, fixed_sections, get, until, until_some};
use servers::postgres::Postgres;
use servers::prometheus::{Job, Prometheus, promtool};
use servers::rabbitmq::RabbitMq;
use telemetry::dashboards::{DASHBOARDS, filled};

use crate::serving::of_fleet;
use crate::training::with_fake;
use crate::{MOST, longhand, root, scratch, simulator};

/// Until when every panel shows something.
const PANELS_WITHIN: Duration = Duration::from_secs(90);

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

/// Where a process shows its metrics.
fn page(process: &Child) -> String {
    until_some(MOST, "a process says where its metrics are", || {
        let printed = process.stderr();
        let line = printed.lines().find_map(|line| line.strip_prefix("metrics at http://"))?;
        line.strip_suffix("/metrics").map(str::to_owned)
    })
}

/// A fleet with faults, a price and a cap, one of its writers killed, and a trainer on its shards; its processes and its broker
/// scraped by Prometheus: every panel of every dashboard shows something. None is left out, and no query is changed but for its
/// window.
#[test]
#[ignore = "a minute with servers of its own: make dashboards-live"]
fn every_panel_shows_something_of_a_live_fleet() {
    let scratch = scratch();
    let rows = fixed_sections(scratch.path(), "rows.jsonl", 600, 4, 200);
    let broker = RabbitMq::start_with_metrics();
    let database = Postgres::shared().database(None);
    let shards = scratch.path().join("shards");
    let endpoint =
        simulator(&["--latency-ms", "200", "--cache-tokens", "2000000", "--faults", "reset=0.05,refusal=0.05"]);
    let command = |args: &[&str]| of_fleet(longhand(args), &database.url(), &broker.url(), &shards);
    command(&["migrate"]).finish(MOST).expect_code(0);
    let serve = |role: &str| command(&["serve", role, "--metrics", "127.0.0.1:0"]);
    let caller = |role: &str| serve(role).args(["--base-url", endpoint.url(), "--concurrency", "8"]).start();
    let (planner, packer, writer) = (caller("planner"), serve("shard-packer").start(), caller("section-writer"));
    let trainer = with_fake(serve("trainer"), "every=2,step_ms=1000").start();
    let processes: Vec<String> = [&planner, &packer, &writer, &trainer].map(page).into();

    let doomed = caller("section-writer");
    page(&doomed);
    let submit = command(&["submit", rows.to_str().expect("a path"), "--model", "simulated", "--shard-size", "8"]);
    let run = submit
        .args(["--concurrency", "16", "--max-cost", "1000", "--price-in", "1", "--price-out", "2", "--yes"])
        .finish(MOST)
        .expect_code(0)
        .stdout;
    let train = command(&["train", "sft", run.trim(), "--model", "base", "--stream", "--detach", "--out"]);
    train.arg(scratch.path().join("model")).finish(MOST).expect_code(0);
    until(MOST, "the run is at work", || database.sql("select count(*) from section").trim() != "0");
    doomed.kill();

    let of_queues = Job {
        path: "/metrics/detailed",
        families: &["queue_coarse_metrics"],
        ..Job::new("rabbitmq-queues", vec![broker.metrics()])
    };
    let jobs = [Job::new("longhand", processes), Job::new("rabbitmq", vec![broker.metrics()]), of_queues];
    let prometheus = Prometheus::start(&jobs);
    let queries = DASHBOARDS.iter().flat_map(|dashboard| {
        dashboard.panels.iter().flat_map(|panel| {
            let what = format!("{}, {}", dashboard.title, panel.title);
            let filled = |expression| filled(expression, "20s").replace("[30m]", "[20s]");
            panel.queries.iter().map(move |query| (what.clone(), filled(query.expression)))
        })
    });
    let mut silent: Vec<(String, String)> = queries.collect();
    assert!(silent.len() > 60, "{}", silent.len());
    let shows = |expression: &str| {
        let answer = get(prometheus.address(), &format!("/api/v1/query?query={}", encoded(expression))).ok();
        let values = answer.as_ref().and_then(|answer| answer["data"]["result"].as_array()).into_iter().flatten();
        values.filter_map(|it| it["value"][1].as_str()).any(|value| value != "NaN")
    };
    // All at once: a panel that shows something early may be silent when another one's turn comes.
    let since = Instant::now();
    while !silent.is_empty() {
        silent.retain(|(_, expression)| !shows(expression));
        assert!(since.elapsed() < PANELS_WITHIN, "they show nothing: {silent:#?}");
        std::thread::sleep(Duration::from_millis(500));
    }
    for child in [planner, packer, writer, trainer] {
        child.kill();
    }
}

/// For a URL's query.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
