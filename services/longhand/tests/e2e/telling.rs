//! What is told of work that stops before its end: traces of cancelled samples, gauges of runs that paused themselves.

use harness::process::{Collector, Folder, SampleState, fixed_sections, get_text, until, until_some};
use servers::postgres::Postgres;

use crate::serving::{broker, drained, of_fleet};
use crate::{MOST, longhand, run, scratch, simulator};

#[test]
fn a_cancelled_sample_that_had_begun_has_a_root() {
    let scratch = scratch();
    let rows = fixed_sections(scratch.path(), "rows.jsonl", 12, 4, 200);
    let (endpoint, collector) = (simulator(&["--latency-ms", "200"]), Collector::start());
    let out = scratch.path().join("out");
    let working = run(&endpoint, &rows, &out)
        .args(["--concurrency", "4", "--shard-size", "4"])
        .env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", collector.url())
        .start();
    let folder = Folder::at(&out);
    until(MOST, "some samples are written and others have begun", || {
        folder.totals().is_some_and(|totals| totals.sections > 8 && totals.state(SampleState::Written) > 0)
    });
    longhand(&["cancel"]).arg(&out).finish(MOST).expect_code(0);
    working.wait(MOST);
    let store = folder.store();
    let begun = |state: SampleState| store.samples.iter().filter(|it| it.state == state && it.sections > 0).count();
    let (cancelled, packed) = (begun(SampleState::Cancelled), begun(SampleState::Packed));
    assert!(cancelled > 0 && packed > 0, "{:?}", store.totals);
    // Of those that have no section some have a plan, and a root too.
    let (_, [roots]) = collector.take(["invoke_workflow agentwrite"]);
    assert!(roots >= cancelled + packed && roots <= 2 * store.samples.len(), "{roots}: {cancelled}, {packed}");
}

#[test]
fn a_run_that_paused_itself_stays_on_the_gauges_of_every_planner() {
    let scratch = scratch();
    let rows = fixed_sections(scratch.path(), "rows.jsonl", 40, 2, 200);
    let (database, broker) = (Postgres::shared().database(None), broker("paused"));
    let endpoint = simulator(&[]);
    let command = |args: &[&str]| of_fleet(longhand(args), &database.url(), &broker, &scratch.path().join("shards"));
    command(&["migrate"]).finish(MOST).expect_code(0);
    let serve = || {
        let all = command(&["serve", "all", "--base-url", endpoint.url(), "--metrics", "127.0.0.1:0"]).start();
        let address = until_some(MOST, "it says where its metrics are", || {
            let printed = all.stderr();
            let line = printed.lines().find_map(|line| line.strip_prefix("metrics at http://"))?;
            line.strip_suffix("/metrics").map(str::to_owned)
        });
        (all, address)
    };
    let (first, _) = serve();
    let submit = command(&["submit", rows.to_str().expect("a path"), "--model", "simulated", "--yes"]);
    submit.args(["--price-in", "1", "--price-out", "2", "--max-cost", "0.05"]).finish(MOST).expect_code(0);
    until(MOST, "the cap pauses it", || database.sql("select state from run").trim() == "paused");
    drained(first);
    // One that never planned it says so too, and how far it has come.
    let (second, page) = serve();
    let line = |text: &str, name: &str, label: &str| {
        text.lines().any(|line| line.starts_with(name) && line.contains(label) && line.ends_with(" 1"))
    };
    until(MOST, "the run is on the page, with its reason", || {
        get_text(&page, "/metrics").is_ok_and(|text| {
            line(&text, "longhand_run_paused{", "reason=\"budget\"")
                && line(&text, "longhand_run_state{", "state=\"paused\"")
                && text.contains("longhand_run_samples{")
        })
    });
    drained(second);
}
