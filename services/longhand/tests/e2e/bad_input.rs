//! Bad input and bad surroundings: one clear error each, with file and line or the fix; the documented exit code; nothing lost.

use std::path::{Path, PathBuf};

use agentwrite::sample::SampleState;
use harness::process::{Ended, Folder, Run, Simulator, fixed_sections};
use tempfile::TempDir;

use crate::{MOST, longhand, run, scratch, simulator};

const GOOD: &str = r#"{"id": "good", "prompt": "Write a short letter. [sections=1 words=200]"}"#;

/// An endpoint, a folder, and runs of files made of bytes.
struct Scene {
    scratch: TempDir,
    endpoint: Simulator,
}

impl Scene {
    fn new() -> Self {
        Self { scratch: scratch(), endpoint: simulator(&[]) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).expect("the scratch folder is writable");
        path
    }

    fn run(&self, instructions: &Path, out: &str) -> Run {
        run(&self.endpoint, instructions, &self.path(out))
    }

    /// A file with one bad row between two good ones: the good ones are packed, the bad one is named with its line.
    fn bad_row(&self, name: &str, row: &[u8], words: &str) {
        let other = GOOD.replace("letter", "note").replace("\"good\"", "\"other\"");
        let bytes = [GOOD.as_bytes(), b"\n", row, b"\n", other.as_bytes(), b"\n"].concat();
        let path = self.file(&format!("{name}.jsonl"), &bytes);
        let ended = self.run(&path, name).finish(MOST).expect_code(0);
        let place = format!("{}:2: ", path.display());
        let warning = ended.stderr.lines().find(|line| line.contains(&place)).unwrap_or_default();
        assert!(warning.contains(words) && warning.contains("fix: "), "{name}: {}", ended.stderr);
        assert_eq!(packed(&self.path(name)), 2, "{name}");
        // --strict stops before anything is called or written.
        self.run(&path, &format!("{name}-strict")).arg("--strict").finish(MOST).expect_error(2, "bad_row");
        assert!(!self.path(&format!("{name}-strict")).join("longhand.db").exists());
    }
}

fn packed(dir: &Path) -> u64 {
    Folder::at(dir).store().count(SampleState::Packed)
}

/// The error names what helps.
#[track_caller]
fn helps(ended: &Ended, words: &str) {
    assert!(ended.stderr.contains("help: ") && ended.stderr.contains(words), "no {words:?} in\n{}", ended.stderr);
}

#[test]
fn bad_rows_are_named_with_file_and_line_and_stop_no_other() {
    let scene = Scene::new();
    scene.bad_row("malformed", br#"{"prompt": "never closed"#, "not valid JSON");
    scene.bad_row("missing", br#"{"id": "x", "title": "no prompt here"}"#, "no `prompt`");
    scene.bad_row("empty", br#"{"prompt": "  "}"#, "the prompt is empty");
    scene.bad_row("latin1", b"{\"prompt\": \"caf\xe9 stories\"}", "UTF-8");
    scene.bad_row("list", b"[1, 2, 3]", "");
    let huge = format!(r#"{{"prompt": "{}"}}"#, "word ".repeat(400_000));
    scene.bad_row("huge", huge.as_bytes(), "2000000 bytes");
}

#[test]
fn a_repeated_row_adds_nothing_and_is_reported() {
    let scene = Scene::new();
    let path = scene.file("rows.jsonl", format!("{GOOD}\n{GOOD}\n").as_bytes());
    scene.run(&path, "out").finish(MOST).expect_code(0).expect_stderr("1 rows repeat an earlier one");
    assert_eq!(packed(&scene.path("out")), 1);
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_taken() {
    let scene = Scene::new();
    let other = GOOD.replace("letter", "note");
    let path = scene.file("rows.jsonl", format!("\u{feff}{GOOD}\r\n\r\n{other}\r\n").as_bytes());
    let ended = scene.run(&path, "out").finish(MOST).expect_code(0);
    assert!(!ended.stderr.contains("warning"), "{}", ended.stderr);
    let rows = Folder::at(scene.path("out")).rows();
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| !row.messages[0].content.contains(['\r', '\u{feff}'])));
}

#[test]
fn files_that_hold_nothing_are_refused() {
    let scene = Scene::new();
    let path = scene.file("empty.jsonl", b"");
    scene.run(&path, "out").finish(MOST).expect_error(2, "bad_row").expect_stderr("no rows");
    let path = scene.file("all-bad.jsonl", b"{\n");
    scene.run(&path, "out").finish(MOST).expect_error(2, "bad_row").expect_stderr("all-bad.jsonl:1: ");
    scene.run(&scene.path("missing.jsonl"), "out").finish(MOST).expect_error(6, "instructions");
    let path = scene.file("rows.parquet", b"PAR1 but no more");
    scene.run(&path, "out").finish(MOST).expect_error(2, "instructions");
    assert!(!scene.path("out").join("longhand.db").exists());
}

#[test]
fn an_unknown_setting_names_the_nearest_one() {
    let scene = Scene::new();
    let rows = scene.file("rows.jsonl", GOOD.as_bytes());
    let settings = scene.file("longhand.toml", b"[limits]\nconcurency = 3\n");
    let ended = scene.run(&rows, "out").arg("--config").arg(&settings).finish(MOST).expect_error(2, "unknown_setting");
    helps(&ended, "did you mean `limits.concurrency`");
    assert!(ended.stderr.contains(settings.to_str().unwrap()), "{}", ended.stderr);
    let run = scene.run(&rows, "out").env("LONGHAND__LIMITS__RPN", "3");
    helps(&run.finish(MOST).expect_error(2, "unknown_setting"), "`limits.rpm`");
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let scene = Scene::new();
    let rows = scene.file("rows.jsonl", GOOD.as_bytes());
    // A path below a file: unwritable for every user, root too.
    let ended = scene.run(&rows, "rows.jsonl/out").finish(MOST).expect_error(2, "out_unwritable");
    helps(&ended, "--out");
}

#[test]
fn a_wrong_key_stops_before_anything_is_called_or_kept() {
    let scene = Scene::new();
    let rows = scene.file("rows.jsonl", GOOD.as_bytes());
    let guarded = simulator(&["--api-key", "sk-right"]);
    let out = scene.path("out");
    let run = run(&guarded, &rows, &out);
    let ended = run.clone().env("OPENAI_API_KEY", "sk-wrong").finish(MOST).expect_error(4, "auth");
    helps(&ended, "OPENAI_API_KEY");
    assert!(!ended.stderr.contains("sk-wrong"), "{}", ended.stderr);
    run.clone().finish(MOST).expect_error(4, "auth");
    assert_eq!(guarded.stats().count("requests"), 0);
    // The same command with the right key starts.
    run.env("OPENAI_API_KEY", "sk-right").finish(MOST).expect_code(0);
    assert_eq!(packed(&out), 1);
}

/// A key that is taken back in the midst of a run pauses it; the right key goes on.
#[test]
fn a_key_that_is_refused_later_pauses_the_run() {
    let scene = Scene::new();
    let rows = fixed_sections(scene.scratch.path(), "rows.jsonl", 6, 2, 200);
    let open = simulator(&["--latency-ms", "100"]);
    let out = scene.path("out");
    let mut child = run(&open, &rows, &out).args(["--concurrency", "2"]).start();
    open.until_more_requests_than(2, MOST);
    child.signal(harness::process::Signal::Interrupt);
    child.wait(MOST).expect_code(130);
    let guarded = simulator(&["--api-key", "sk-right"]);
    let resume = longhand(&["resume", out.to_str().unwrap(), "--base-url", guarded.url()]);
    let ended = resume.clone().env("OPENAI_API_KEY", "sk-wrong").finish(MOST).expect_code(4);
    assert!(ended.stderr.contains("auth"), "{}", ended.stderr);
    resume.env("OPENAI_API_KEY", "sk-right").finish(MOST).expect_code(0);
    assert_eq!((packed(&out), Folder::at(&out).store().violations), (6, vec![]));
}

#[test]
fn a_wrong_url_is_named() {
    let scene = Scene::new();
    let rows = scene.file("rows.jsonl", GOOD.as_bytes());
    let to = |url: &str| Run::on(crate::LONGHAND, &rows, &scene.path("out"), url).finish(MOST);
    // Port 9 is reserved for a service that nobody runs.
    let ended = to("http://127.0.0.1:9/v1").expect_error(3, "connection");
    helps(&ended, "--base-url");
    to("127.0.0.1").expect_error(2, "base_url");
    assert!(!scene.path("out").join("longhand.db").exists(), "nothing was started");
    // A server that is there but has no such path: the run pauses, the right URL goes on.
    let root = scene.endpoint.url().trim_end_matches("/v1").to_owned();
    to(&format!("{root}/nothing")).expect_code(2).expect_stderr("longhand why");
    to(scene.endpoint.url()).expect_code(0);
    assert_eq!(packed(&scene.path("out")), 1);
}

#[test]
fn a_folder_of_another_schema_version_is_left_alone() {
    let scene = Scene::new();
    let rows = scene.file("rows.jsonl", GOOD.as_bytes());
    scene.run(&rows, "out").finish(MOST).expect_code(0);
    let database = scene.path("out").join("longhand.db");
    // Bytes 60..64 of an SQLite file are its `user_version`.
    let mut bytes = std::fs::read(&database).unwrap();
    bytes[60..64].copy_from_slice(&99_u32.to_be_bytes());
    std::fs::write(&database, &bytes).unwrap();
    let ended = scene.run(&rows, "out").finish(MOST).expect_error(7, "schema_version");
    helps(&ended, "--out");
    assert!(ended.stderr.contains("version 99"), "{}", ended.stderr);
    longhand(&["resume", scene.path("out").to_str().unwrap()]).finish(MOST).expect_error(7, "schema_version");
    assert_eq!(std::fs::read(&database).unwrap(), bytes, "not touched");
}

#[test]
fn two_runners_on_one_folder_are_refused() {
    let scene = Scene::new();
    let slow = simulator(&["--latency-ms", "60000"]);
    let rows = scene.file("rows.jsonl", GOOD.as_bytes());
    let out = scene.path("out");
    let first = run(&slow, &rows, &out).start();
    slow.until_more_requests_than(0, MOST);
    helps(&scene.run(&rows, "out").finish(MOST).expect_error(7, "already_running"), "longhand status");
    longhand(&["resume", out.to_str().unwrap()]).finish(MOST).expect_error(7, "already_running");
    // The lock ends with its process, however that ends.
    first.kill();
    scene.run(&rows, "out").finish(MOST).expect_code(0);
    assert_eq!(packed(&out), 1);
}

#[test]
fn a_folder_of_another_input_is_refused_and_appended_rows_are_taken() {
    let scene = Scene::new();
    let rows = scene.file("rows.jsonl", GOOD.as_bytes());
    scene.run(&rows, "out").finish(MOST).expect_code(0);
    let shards = Folder::at(scene.path("out")).shard_bytes();
    let other = scene.file("other.jsonl", GOOD.replace("letter", "note").as_bytes());
    helps(&scene.run(&other, "out").finish(MOST).expect_error(7, "changed_input"), "--out");
    let changed = scene.run(&rows, "out").args(["--temperature", "0.3"]).finish(MOST);
    helps(&changed.expect_error(7, "changed_settings"), "--accept-changes");
    assert_eq!(Folder::at(scene.path("out")).shard_bytes(), shards);

    let longer = scene.file("rows.jsonl", format!("{GOOD}\n{}\n", GOOD.replace("letter", "note")).as_bytes());
    scene.run(&longer, "out").finish(MOST).expect_code(0);
    assert_eq!((packed(&scene.path("out")), Folder::at(scene.path("out")).rows().len()), (2, 2));
}

#[test]
fn a_cap_without_a_price_is_refused() {
    let scene = Scene::new();
    let rows = scene.file("rows.jsonl", GOOD.as_bytes());
    let capped = scene.run(&rows, "out").args(["--max-cost", "1"]);
    helps(&capped.finish(MOST).expect_error(2, "cap_without_price"), "--price-in");
    capped.args(["--price-in", "1", "--price-out", "2"]).finish(MOST).expect_code(0);
    let resume = longhand(&["resume", scene.path("nothing").to_str().unwrap()]);
    resume.finish(MOST).expect_error(6, "not_found");
}

/// A cap stops the run before it is passed, exit 5; a higher one goes on.
#[test]
fn a_cap_is_never_passed() {
    let scene = Scene::new();
    let rows = fixed_sections(scene.scratch.path(), "rows.jsonl", 12, 3, 200);
    let prices = ["--price-in", "100", "--price-out", "100"];
    let capped = scene.run(&rows, "out").args(prices).args(["--max-cost", "2.5", "--concurrency", "4"]);
    capped.finish(MOST).expect_code(5).expect_stderr("budget");
    let store = Folder::at(scene.path("out")).store();
    assert!((1..=2_500_000_000).contains(&store.totals.settled_nanousd), "{:?}", store.totals);
    let out = scene.path("out");
    longhand(&["resume", out.to_str().unwrap(), "--max-cost", "1000"]).finish(MOST).expect_code(0);
    assert_eq!((packed(&out), Folder::at(&out).store().violations), (12, vec![]));
}
