//! An endpoint that misbehaves in every way: nothing bad gets into a shard, and nothing paid for is unaccounted.

use std::path::{Path, PathBuf};

use agentwrite::sample::SampleState;
use harness::process::{Folder, Stats, StoreView, fixed_sections};
use llm_simulator::MARKER;

use crate::{MOST, run, scratch, simulator};

/// USD per million tokens: prompt, cached prompt, answer.
const PRICES: [f64; 3] = [1.0, 0.25, 3.0];
const PRICE_FLAGS: [&str; 6] = ["--price-in", "1", "--price-cached", "0.25", "--price-out", "3"];

/// Waits that are long for the simulator and short for a test.
fn short_timeouts(dir: &Path) -> PathBuf {
    let path = dir.join("longhand.toml");
    let text = "[endpoint]\nconnect_seconds = 2\nfirst_token_seconds = 0.5\nidle_seconds = 0.5\n";
    std::fs::write(&path, text).expect("the test's folder can be written");
    path
}

/// Price of what the simulator says it got and gave, in nano-USD.
fn price(stats: &Stats) -> f64 {
    let [input, cached, output] = PRICES.map(|usd_per_million| usd_per_million * 1000.0);
    let (prompt, hits) = (stats.count("prompt_tokens") as f64, stats.count("cached_tokens") as f64);
    (prompt - hits) * input + hits * cached + stats.count("completion_tokens") as f64 * output
}

/// Runs 60 samples against an endpoint with these faults, until all samples are terminal.
fn sixty_samples(faults: &str, seed: &str) -> (Folder, StoreView, Stats, tempfile::TempDir) {
    let scratch = scratch();
    let rows = fixed_sections(scratch.path(), "rows.jsonl", 60, 4, 250);
    // With some latency many calls are open when the endpoint says 429, and their waits are one wait.
    let rates = ["--faults", faults, "--seed", seed, "--cache-tokens", "200000", "--latency-ms", "100"];
    let endpoint = simulator(&rates);
    let folder = Folder::at(scratch.path().join("out"));
    let settings = short_timeouts(scratch.path());
    let run = run(&endpoint, &rows, folder.path()).args(PRICE_FLAGS).args(["--concurrency", "60", "--config"]);
    // Half a minute by itself, most of it waits that the endpoint asks for; beside other work much more.
    let ended = run.arg(settings).finish(MOST * 4);
    let (store, stats) = (folder.store(), endpoint.stats());
    eprintln!("{faults}: {:?} in {:?}\n{stats:?}\n{:?}", ended.code, ended.wall, store.codes);
    assert_eq!(store.totals.finished(), 60, "{}", ended.stderr);
    let failures = store.count(SampleState::Failed) + store.count(SampleState::Rejected);
    assert_eq!(ended.code, Some(i32::from(failures > 0)), "{}", ended.stderr);
    assert!(stats.faults() > 20, "faults were planted: {stats:?}");
    assert_eq!(store.violations, []);
    assert_clean(&folder);
    (folder, store, stats, scratch)
}

/// No planted text stands in any row, wherever.
fn assert_clean(folder: &Folder) {
    for (name, bytes) in folder
        .shard_bytes()
        .iter()
        .filter(|(name, _)| std::path::Path::new(name).extension().is_some_and(|end| end == "jsonl"))
    {
        let text = String::from_utf8_lossy(bytes);
        let lines: Vec<&str> = text.lines().filter(|line| line.contains(MARKER)).collect();
        let around = |line: &&str| {
            let at = line.find(MARKER).unwrap_or_default();
            line.chars().skip(line[..at].chars().count().saturating_sub(80)).take(160).collect::<String>()
        };
        assert!(lines.is_empty(), "{name}: {:#?}", lines.iter().map(around).collect::<Vec<_>>());
    }
    assert_eq!(
        folder.rows().len() as u64,
        folder.manifest()["tally"]["rows"].as_u64().expect("a manifest counts its rows")
    );
}

#[test]
fn two_percent_of_every_fault_packs_every_sample() {
    for seed in ["1", "2", "3", "4"] {
        let (_, store, stats, _scratch) = sixty_samples("all=0.02", seed);
        assert_eq!(store.count(SampleState::Packed), 60, "seed {seed}: {:?}", not_packed(&store));
        assert_eq!(store.totals.calls, stats.count("requests"), "every request is an attempt that called");
        assert_spend_covers(&store, &stats);
    }
}

#[test]
fn five_percent_of_every_fault_packs_every_sample_or_says_why_not() {
    let (_, store, stats, _scratch) = sixty_samples("all=0.05", "2");
    for (sample, code, reason) in not_packed(&store) {
        assert!(!code.is_empty() && !reason.is_empty(), "{sample} ended without a reason");
    }
    assert!(store.count(SampleState::Packed) >= 45, "{:?}", not_packed(&store));
    assert_eq!(store.totals.calls, stats.count("requests"));
    assert_spend_covers(&store, &stats);
}

/// Where an answer breaks off, its usage never comes and is estimated: the spend covers what the endpoint counted of prompts
/// and complete answers, and is at most a tenth above it (the pieces of broken answers, which a provider bills too).
fn assert_spend_covers(store: &StoreView, stats: &Stats) {
    let (settled, counted) = (store.totals.settled_nanousd as f64, price(stats));
    assert!(settled >= counted * 0.995 && settled <= counted * 1.10, "settled {settled}, counted {counted}");
    assert_eq!(store.totals.reserved_nanousd, 0, "no call is open");
}

/// Faults whose answers are complete and state their usage: tokens and money agree to the last one.
#[test]
fn what_the_endpoint_counted_is_what_was_paid() {
    let faults = "429=0.03,500=0.03,503=0.03,refusal=0.03,empty=0.03,error_text=0.03,echo=0.03";
    let (_, store, stats, _scratch) = sixty_samples(faults, "3");
    let totals = &store.totals;
    assert_eq!(totals.calls, stats.count("requests"));
    assert_eq!(
        [totals.prompt_tokens, totals.cached_tokens, totals.completion_tokens],
        ["prompt_tokens", "cached_tokens", "completion_tokens"].map(|name| stats.count(name)),
    );
    assert!(stats.count("cached_tokens") > 0, "the prefix cache was hit");
    // Each call is rounded by itself.
    assert!((totals.settled_nanousd as f64 - price(&stats)).abs() <= totals.calls as f64, "{totals:?} {stats:?}");
    assert_eq!(totals.reserved_nanousd, 0);
}

/// Samples that did not get into a shard, with their reason.
fn not_packed(store: &StoreView) -> Vec<(String, String, String)> {
    let left = store.samples.iter().filter(|sample| sample.state != SampleState::Packed);
    left.map(|sample| {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        (text(&sample.id), text(&sample.code), text(&sample.reason))
    })
    .collect()
}

/// Three endpoints that lose the front of the prompt: one says how much it takes, one is thought to take more than it does,
/// one drops something from every prompt. None gets a row into a shard.
#[test]
fn an_endpoint_that_drops_the_front_of_the_prompt_gets_nothing_into_a_shard() {
    let believe = "[endpoint]\ncontext_tokens = 100000\n";
    for (args, settings, code) in [
        (&["--context-tokens", "900", "--drop-front"][..], "", "context_too_small"),
        (&["--context-tokens", "900", "--drop-front"], believe, "prompt_truncated"),
        (&["--faults", "drop_front=1"], "", "prompt_truncated"),
    ] {
        let scratch = scratch();
        let rows = fixed_sections(scratch.path(), "rows.jsonl", 5, 6, 400);
        let path = scratch.path().join("longhand.toml");
        std::fs::write(&path, settings).unwrap();
        let folder = Folder::at(scratch.path().join("out"));
        let endpoint = simulator(args);
        let ended = run(&endpoint, &rows, folder.path()).arg("--config").arg(path).finish(MOST);
        assert!(matches!(ended.code, Some(1 | 5)), "{ended:?}");
        let store = folder.store();
        assert_eq!(store.count(SampleState::Packed), 0, "{args:?}");
        assert_eq!(folder.shard_bytes().len(), 0, "{args:?}");
        let codes: Vec<String> = not_packed(&store).into_iter().map(|(_, found, _)| found).collect();
        let counted = store.codes.iter().any(|(found, _)| found == code);
        assert!(counted || codes.iter().all(|found| found == code), "{args:?}: {codes:?} {:?}", store.codes);
    }
}
