//! Answers that end for their length: continued, joined without a seam, counted once, and never paid for twice.

use std::path::Path;

use agentwrite::sample::SampleState;
use dataset::Row;
use harness::process::{Folder, Stats, StoreView, fixed_sections, write_lines};
use llm_simulator::MARKER;

use crate::{MOST, run, scratch, simulator, undisturbed};

const SAMPLES: usize = 12;

/// Sections of 400 words need about 600 tokens: each answer is cut once or twice.
fn tight(dir: &Path, prefix: &str) -> String {
    let path = dir.join(format!("{prefix}.toml"));
    let text = format!("[sampling]\nwrite_max_tokens = 320\n[endpoint]\nassistant_prefix = \"{prefix}\"\n");
    std::fs::write(&path, text).expect("the test's folder can be written");
    path.to_str().expect("a path of this test").to_owned()
}

/// English and Chinese rows with known plans.
fn rows(dir: &Path) -> std::path::PathBuf {
    let lines = (0..SAMPLES).map(|index| {
        let prompt = if index % 3 == 2 {
            format!("请写一部关于第{index}座虚构小镇的编年史。[sections=3 words=400]")
        } else {
            format!("Write the chronicle of the imaginary town number {index}. [sections=3 words=400]")
        };
        serde_json::json!({"id": format!("town-{index}"), "prompt": prompt}).to_string()
    });
    write_lines(dir, "rows.jsonl", lines)
}

fn texts(folder: &Folder) -> Vec<String> {
    let answer = |row: &Row| row.messages.last().expect("a row ends with the answer").content.clone();
    folder.rows().iter().map(answer).collect()
}

fn parts(store: &StoreView, stats: &Stats) -> u64 {
    let sections = 3 * SAMPLES as u64;
    assert_eq!(store.totals.sections, sections, "a section counts once");
    assert_eq!(store.totals.calls, stats.count("requests"), "every part is an attempt that called");
    stats.count("requests") - sections - SAMPLES as u64
}

/// However the endpoint is asked to go on, and though the model often says its last sentence again: the texts are those of an
/// endpoint that cuts nothing, and no attempt failed.
#[test]
fn a_cut_section_is_the_section_that_was_not_cut() {
    let scratch = scratch();
    let rows = rows(scratch.path());
    let calm = undisturbed(&simulator(&[]), &rows, &scratch.path().join("calm"), &[]);
    for prefix in ["none", "vllm", "deepseek"] {
        let endpoint = simulator(&["--cache-tokens", "1000000"]);
        let out = scratch.path().join(prefix);
        let cut = undisturbed(&endpoint, &rows, &out, &["--config", &tight(scratch.path(), prefix)]);
        let (store, stats) = (cut.store(), endpoint.stats());
        let parts = parts(&store, &stats);
        eprintln!("{prefix}: {parts} parts of {} sections, {:?}", store.totals.sections, stats);
        assert!(parts > 30, "{prefix}: {parts} parts");
        assert_eq!((store.totals.failed_calls, &store.codes), (0, &vec![]), "{prefix}");
        assert_eq!(store.violations, [], "{prefix}");
        assert_eq!(texts(&cut), texts(&calm), "{prefix}");
        assert_eq!(store.totals.words, calm.store().totals.words, "{prefix}");
    }
}

/// Cuts at any place of a text, some of them again and again: the dataset is byte for byte that of a calm endpoint. Cut plans,
/// streams that ended without a reason, and texts that were cut three times still cost an attempt.
#[test]
fn cuts_by_chance_change_no_byte() {
    let scratch = scratch();
    let rows = rows(scratch.path());
    let calm = undisturbed(&simulator(&[]), &rows, &scratch.path().join("calm"), &[]);
    let endpoint = simulator(&["--faults", "cut=0.3"]);
    let cut = undisturbed(&endpoint, &rows, &scratch.path().join("cut"), &[]);
    let (store, stats) = (cut.store(), endpoint.stats());
    eprintln!("{} cuts, {} failed, {:?}", stats.faults(), store.totals.failed_calls, store.codes);
    let parts = stats.faults() - store.totals.failed_calls;
    assert!(parts > 5, "{parts} parts: {:?} of {} cuts", store.codes, stats.faults());
    assert_eq!(store.violations, []);
    assert_eq!(store.count(SampleState::Packed), SAMPLES as u64);
    cut.assert_same_dataset(&calm);
    assert!(cut.shard_bytes().values().all(|bytes| !String::from_utf8_lossy(bytes).contains(MARKER)));
}

/// A process that is killed between two parts has paid for the first one, and the next process goes on from it.
#[test]
fn a_part_is_not_paid_for_again_after_a_kill() {
    let scratch = scratch();
    let rows = fixed_sections(scratch.path(), "rows.jsonl", 2, 3, 400);
    let settings = tight(scratch.path(), "none");
    let args = ["--concurrency", "1", "--config", &settings];
    let calm_endpoint = simulator(&[]);
    let calm = undisturbed(&calm_endpoint, &rows, &scratch.path().join("calm"), &args);
    let endpoint = simulator(&[]);
    let folder = Folder::at(scratch.path().join("killed"));
    let disturbed = run(&endpoint, &rows, folder.path()).args(args);
    for _ in 0..4 {
        let ended = disturbed.clone().env("LONGHAND_CRASH", "after_part:1").finish(MOST);
        assert!(ended.signal.is_some(), "{ended:?}");
        assert_eq!(folder.store().violations, []);
    }
    disturbed.finish(MOST).expect_code(0);
    folder.assert_same_dataset(&calm);
    let (store, stats) = (folder.store(), endpoint.stats());
    assert_eq!((store.totals.failed_calls, store.totals.orphaned_calls), (0, 0), "{:?}", store.codes);
    assert_eq!(stats.count("repeats"), 0, "{stats:?}");
    assert_eq!(stats.count("requests"), calm_endpoint.stats().count("requests"), "no call more than without kills");
}
