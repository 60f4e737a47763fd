//! What scripts rely on: dry runs, JSON, exit codes of usage errors, and a key that is shown nowhere.

use std::process::Stdio;

use harness::process::{Folder, fixed_sections};
use serde_json::Value;

use crate::{MOST, longhand, run, scratch, simulator};

#[test]
fn a_dry_run_calls_and_writes_nothing() {
    let scratch = scratch();
    let rows = scratch.path().join("rows.jsonl");
    let lines = [
        r#"{"prompt": "Write a 3000-word essay on tea.", "id": "tea"}"#,
        r#"{"prompt": "Write about rain.", "length": 1200}"#,
        r#"{"prompt": "Write about snow."}"#,
        r#"{"prompt": "Write about snow."}"#,
    ];
    std::fs::write(&rows, lines.join("\n")).unwrap();
    let endpoint = simulator(&[]);
    let out = scratch.path().join("out");
    let dry = run(&endpoint, &rows, &out).arg("--dry-run");
    let ended = dry.finish(MOST).expect_code(0);
    assert!(ended.stdout.contains("3000 words") && ended.stdout.contains("1 duplicates"), "{}", ended.stdout);
    let report: Value = serde_json::from_str(&dry.arg("--json").finish(MOST).expect_code(0).stdout).unwrap();
    assert_eq!((&report["schema"], &report["rows"], &report["samples"]), (&1.into(), &4.into(), &3.into()));
    assert_eq!(report["lengths"], serde_json::json!({"column": 1, "read": 1, "none": 1, "ambiguous": 0}));
    assert_eq!(report["required"][0]["id"], "tea");
    assert_eq!((out.exists(), endpoint.stats().count("requests")), (false, 0));
}

#[test]
fn json_is_the_only_thing_on_stdout() {
    let scratch = scratch();
    let rows = fixed_sections(scratch.path(), "rows.jsonl", 2, 1, 200);
    let ended = run(&simulator(&[]), &rows, &scratch.path().join("out")).arg("--json").finish(MOST).expect_code(0);
    let printed: Value = serde_json::from_str(&ended.stdout).expect("stdout is one JSON object");
    assert_eq!(printed["schema"], 1, "{printed}");
    let quiet = run(&simulator(&[]), &rows, &scratch.path().join("other")).finish(MOST).expect_code(0);
    assert_eq!(quiet.stdout, "", "everything for people is on stderr");
}

#[test]
fn usage_errors_exit_with_2_and_help_with_0() {
    for args in [
        &["run"][..],
        &["run", "x.jsonl", "--outt", "y"],
        &["run", "x.jsonl", "--concurrency", "many"],
        &["nonsense"],
        &["simulate-llm", "--faults", "nonsense=1"],
        &["run", "x.jsonl", "--simulate", "--base-url", "http://localhost"],
    ] {
        let ended = longhand(args).finish(MOST).expect_code(2);
        assert!(ended.stderr.starts_with("error"), "{args:?}: {}", ended.stderr);
    }
    assert!(longhand(&["--help"]).finish(MOST).expect_code(0).stdout.contains("Usage: longhand"));
    assert!(longhand(&["run", "--help"]).finish(MOST).expect_code(0).stdout.contains("--simulate"));
    assert!(longhand(&["--version"]).finish(MOST).expect_code(0).stdout.starts_with("longhand "));
    assert!(longhand(&["completions", "bash"]).finish(MOST).expect_code(0).stdout.contains("longhand"));
}

/// Whoever reads stdout may stop at any time (`longhand config schema | head -1`).
#[test]
fn a_reader_that_goes_away_is_no_error() {
    let scratch = scratch();
    let rows = fixed_sections(scratch.path(), "rows.jsonl", 3, 1, 200);
    let rows = rows.to_str().expect("a path");
    let dry = ["run", rows, "--simulate", "--dry-run"];
    for args in [&["config", "schema"][..], &["config", "show"], &["config", "prompts"], &["completions", "zsh"], &dry]
    {
        let mut command = longhand(args).within(scratch.path()).command();
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        drop(child.stdout.take());
        let ended = child.wait_with_output().expect("it ends");
        assert_eq!((ended.status.code(), ended.stderr), (Some(0), Vec::new()), "{args:?}");
    }
}

/// A planted key stands in no output and in no file, at the loudest log level and when the endpoint repeats it in errors.
#[test]
fn a_key_is_shown_nowhere() {
    const KEY: &str = "sk-planted-5f0e6c1d9a7b";
    let scratch = scratch();
    let rows = fixed_sections(scratch.path(), "rows.jsonl", 4, 2, 200);
    let endpoint = simulator(&["--api-key", KEY, "--faults", "500=0.2,429=0.1"]);
    let folder = Folder::at(scratch.path().join("out"));
    let run = run(&endpoint, &rows, folder.path()).args(["--log-level", "trace"]);
    let ended = run.clone().env("OPENAI_API_KEY", KEY).finish(MOST).expect_code(0);
    let file = scratch.path().join("key");
    std::fs::write(&file, KEY).unwrap();
    let second = run.env("OPENAI_API_KEY_FILE", file.to_str().unwrap()).finish(MOST).expect_code(0);
    for text in [&ended.stdout, &ended.stderr, &second.stdout, &second.stderr] {
        assert!(!text.contains(KEY), "{text}");
    }
    assert!(ended.stderr.len() > 1000, "the log was on");
    assert_eq!(folder.files_with(KEY), Vec::<std::path::PathBuf>::new());
    assert!(!folder.files_with("row-1").is_empty(), "the search finds what is there");
    let settings = longhand(&["config", "show"]).env("OPENAI_API_KEY", KEY).within(scratch.path()).finish(MOST);
    assert!(!settings.expect_code(0).stdout.contains(KEY));
}
