//! A cap on spend holds with 64 calls in flight, whenever the process is killed; the endpoint testifies what was spent.

use std::time::Duration;

use harness::process::{Child, Folder, Run, SampleState, Simulator, Stats};
use serde_json::json;

use crate::row::{Goal, Row};
use crate::scenario::Bench;

const MOST: Duration = Duration::from_secs(180);
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Nano-USD per token: USD 1 per million of the prompt, cached or not, and USD 2 of the answer.
const INPUT: u64 = 1_000;
const OUTPUT: u64 = 2_000;
/// Exit code of a run that its cap has paused.
const PAUSED_BY_BUDGET: i32 = 5;

/// What the endpoint has given out, in nano-USD: every prompt it took, every answer token it wrote, aborted calls too.
fn given_out(stats: &Stats) -> u64 {
    let written = stats.count("completion_tokens") + stats.count("billed_completion_tokens_of_aborted");
    stats.count("prompt_tokens") * INPUT + written * OUTPUT
}

/// The most that was seen of each while the run was at work.
#[derive(Debug, Default)]
struct Seen {
    /// Settled and reserved, in nano-USD.
    committed: u64,
    /// What the endpoint had given out beyond what was settled and reserved a moment later, in nano-USD.
    beyond: u64,
    looks: u64,
}

impl Seen {
    fn look(&mut self, endpoint: &Simulator, folder: &Folder) -> u64 {
        let given_out = given_out(&endpoint.stats());
        let Some(totals) = folder.totals() else { return 0 };
        let committed = totals.settled_nanousd + totals.reserved_nanousd;
        self.committed = self.committed.max(committed);
        self.beyond = self.beyond.max(given_out.saturating_sub(committed));
        self.looks += 1;
        committed
    }
}

/// 240 samples of 6 sections on 64 slots under a cap of about half of what they cost; killed four times on the way to the cap
/// and resumed, then let finish with a higher cap.
pub fn measure(bench: &Bench) -> Vec<Row> {
    let samples = bench.scale(240, 60);
    let cap_usd = bench.scale(2.4, 0.9);
    let cap = (cap_usd * 1e9) as u64;
    let cap_text = cap_usd.to_string();
    let simulator = ["--first-token-ms", "60", "--per-token-us", "300", "--events", "20"];
    let money = ["--concurrency", "64", "--price-in", "1", "--price-cached", "1", "--price-out", "2"];
    let scenario =
        bench.scenario(&vec![6; samples], 200, &simulator, &[&money[..], &["--max-cost", &cap_text]].concat());
    let (endpoint, folder) = (&scenario.simulator, &scenario.folder);
    let resume = |more: &[&str]| {
        Run::of(&bench.binary, ["resume".as_ref(), folder.path().as_os_str()]).args(more.iter().copied())
    };
    let mut seen = Seen::default();
    let mut child = scenario.run.start();
    let mut kills = Vec::new();
    // Also when the cap is close: that is when a call too many would show.
    for part in [0.1, 0.35, 0.6, 0.9] {
        let at = (cap as f64 * part) as u64;
        let mut reached = 0;
        while reached < at && child.ended().is_none() {
            assert!(child.age() < MOST, "it takes too long");
            reached = seen.look(endpoint, folder);
            std::thread::sleep(LOOK_EVERY);
        }
        child.kill();
        kills.push(seen.look(endpoint, folder) as f64 / cap as f64);
        child = resume(&[]).start();
    }
    let code = watched(&mut child, &mut seen, endpoint, folder);
    assert_eq!(code, Some(PAUSED_BY_BUDGET), "the cap pauses the run");
    let paused = folder.totals().expect("the run is in the store");
    let spent = given_out(&endpoint.stats());
    resume(&["--max-cost", "1000"]).finish(MOST).expect_code(0);
    let store = folder.store();
    assert_eq!(store.count(SampleState::Packed), samples as u64);
    assert!(store.violations.is_empty(), "{:?}", store.violations);
    let stats = endpoint.stats();
    let once = stats.count("once_prompt_tokens") * INPUT + stats.count("once_completion_tokens") * OUTPUT;
    let off = store.totals.settled_nanousd.abs_diff(once);
    let beyond = given_out(&stats).saturating_sub(store.totals.settled_nanousd + store.totals.reserved_nanousd);
    let detail = json!({"cap_usd": cap_usd, "looks": seen.looks, "killed_at_parts_of_the_cap": kills,
        "when_paused": {"settled_usd": usd(paused.settled_nanousd), "suspect_usd": usd(paused.reserved_nanousd),
            "orphaned_calls": paused.orphaned_calls, "given_out_usd": usd(spent)},
        "at_the_end": {"settled_usd": usd(store.totals.settled_nanousd), "suspect_usd": usd(store.totals.reserved_nanousd),
            "given_out_usd": usd(given_out(&stats)), "answers": stats.count("answered"), "aborted": stats.count("aborted"),
            "repeats": stats.count("repeats")}});
    vec![
        Row::ratio(
            "cap on spend, 64 calls in flight, 4 kills: most that was settled and suspect",
            usd(seen.committed),
            cap_usd,
            "USD",
            Goal::AtMost(1.0),
            detail,
        ),
        Row::figure(
            "what the endpoint gave out, aborted calls too, beyond settled and suspect",
            usd(seen.beyond.max(beyond)),
            "USD",
            Goal::AtMost(0.0),
            json!(null),
        ),
        Row::figure(
            "settled, off the endpoint's count of completed answers by",
            off as f64 / INPUT as f64,
            "tokens",
            Goal::AtMost(0.0),
            json!(null),
        ),
    ]
}

/// Watches a process to its end; its exit code.
fn watched(child: &mut Child, seen: &mut Seen, endpoint: &Simulator, folder: &Folder) -> Option<i32> {
    loop {
        assert!(child.age() < MOST, "it takes too long");
        seen.look(endpoint, folder);
        std::thread::sleep(LOOK_EVERY);
        if let Some(status) = child.ended() {
            return status.code();
        }
    }
}

fn usd(nano: u64) -> f64 {
    nano as f64 / 1e9
}
