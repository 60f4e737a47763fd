//! What a run would take, before it is started: without a call, from real plans, and how near it comes; the question before a
//! paid run; prices from the table.

use std::path::{Path, PathBuf};

use harness::process::{Run, Simulator, fixed_sections, write_lines};
use serde_json::{Value, json};

use crate::{MOST, longhand, root, run, scratch, simulator};

const PRICES: [&str; 6] = ["--price-in", "1", "--price-cached", "0.25", "--price-out", "3"];

fn estimate(rows: &Path, endpoint: &Simulator) -> Run {
    longhand(&["estimate"]).arg(rows).args(["--base-url", endpoint.url(), "--model", "simulated"])
}

fn printed(run: &Run) -> Value {
    let ended = run.clone().arg("--json").finish(MOST).expect_code(0);
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {}", ended.stdout))
}

/// Sixty instructions of 300 to 20,000 words, English and Chinese, some without a length.
fn sixty(dir: &Path) -> PathBuf {
    let lengths = [300, 800, 1_500, 2_000, 3_000, 4_000, 6_000, 8_000, 12_000, 20_000];
    let row = |at: usize| {
        let words = lengths[at * 7 % lengths.len()];
        let prompt = match at % 10 {
            9 => format!("Write the long chronicle of the imaginary town number {at}."),
            3 | 6 => format!("写一篇{words}字的文章，讲述第{at}座想象中的小城。"),
            _ => format!(
                "Write a {words}-word chronicle of the imaginary town number {at}, for readers who never saw it."
            ),
        };
        json!({"prompt": prompt}).to_string()
    };
    write_lines(dir, "sixty.jsonl", (0..60).map(row))
}

#[test]
fn an_estimate_calls_nothing_and_knows_no_price_of_an_own_server() {
    let scratch = scratch();
    let endpoint = simulator(&[]);
    let rows = sixty(scratch.path());
    let plain = estimate(&rows, &endpoint);
    let value = printed(&plain);
    assert_eq!((&value["schema"], &value["samples"], &value["sampled"]), (&1.into(), &60.into(), &Value::Null));
    assert_eq!((&value["spend_usd"], &value["price"]["known"]), (&Value::Null, &false.into()));
    let sum = |pointer: &str| -> u64 {
        let bands = value["bands"].as_array().expect("bands");
        bands.iter().map(|band| band.pointer(pointer).and_then(Value::as_u64).unwrap_or_default()).sum()
    };
    assert_eq!(Some(sum("/calls/expected")), value["calls"]["expected"].as_u64());
    assert_eq!(sum("/samples"), 60);
    assert!(value["calls"]["high"].as_u64() > value["calls"]["expected"].as_u64(), "{value}");
    assert!(value["tokens"]["cache_share"].as_f64() > Some(0.5), "{value}");
    for field in ["words_per_step", "first_token_seconds", "tokens_per_second", "retry_share"] {
        assert!(value["assumptions"][field].is_number(), "{field} in {value}");
    }
    let text = plain.finish(MOST).expect_code(0).stdout;
    for part in ["required words", "none stated", "price unknown", "longest chain", "600 words a section"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    // Nor is a key, an endpoint or even a model needed.
    let nowhere = longhand(&["estimate"]).arg(&rows).within(scratch.path());
    assert!(nowhere.finish(MOST).expect_code(0).stdout.contains("price unknown"));
    assert_eq!(endpoint.stats().count("requests"), 0);
}

#[test]
fn a_sample_makes_so_many_plans_and_says_what_they_cost() {
    let scratch = scratch();
    let endpoint = simulator(&["--first-token-ms", "20"]);
    let rows = sixty(scratch.path());
    let value = printed(&estimate(&rows, &endpoint).args(["--sample", "5"]).args(PRICES));
    let stats = endpoint.stats_by_step();
    assert_eq!((stats.count("requests"), stats.count("answered")), (5, 5));
    let steps: Vec<&String> =
        stats.0["steps"].as_object().unwrap().values().flat_map(|of| of.as_object().unwrap().keys()).collect();
    assert_eq!(steps, ["plan"; 5], "plans of five inputs, and nothing else");
    assert_eq!((&value["sampled"]["calls"], &value["sampled"]["plans"]), (&5.into(), &5.into()));
    let usd = (stats.count("prompt_tokens") as f64 + 3.0 * stats.count("completion_tokens") as f64) / 1e6;
    assert!((value["sampled"]["spend_usd"].as_f64().unwrap() - usd).abs() < 1e-9, "{value}");
    assert!(value["assumptions"]["first_token_seconds"].as_f64() < Some(1.0), "measured: {value}");

    // What the flags state wins over what was seen; the simulator inside the process needs no endpoint.
    let own = longhand(&["estimate"]).arg(&rows).args(["--simulate", "--sample", "3", "--tokens-per-second", "9"]);
    let value = printed(&own);
    assert_eq!((&value["assumptions"]["tokens_per_second"], &value["sampled"]["plans"]), (&9.0.into(), &3.into()));
    assert_eq!(value["spend_usd"], Value::Null);

    // Plans that fail are counted; where none is left there is an error, not a guess.
    let broken = simulator(&["--faults", "500=1"]);
    estimate(&rows, &broken).args(["--sample", "2"]).finish(MOST).expect_error(3, "server_error");
    assert_eq!(broken.stats().count("requests"), 2, "nothing is tried again");
}

/// The estimate against what the run took: calls within 15 %, tokens within 25 %, the spend inside the range or nearly.
#[track_caller]
fn compare(rows: &Path, endpoint: &Simulator, out: &Path, flags: &[&str]) {
    let guess = printed(&estimate(rows, endpoint).args(PRICES).args(flags.iter().copied()));
    run(endpoint, rows, out).args(PRICES).args(flags.iter().copied()).finish(MOST).expect_code(0);
    let report = printed(&longhand(&["report"]).arg(out));
    let ratio = |guessed: &str, taken: &str| {
        let of = |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_f64).expect("a number");
        of(&guess, guessed) / of(&report, taken)
    };
    let calls = ratio("/calls/expected", "/calls/total");
    let tokens =
        ["prompt", "cached", "completion"].map(|kind| ratio(&format!("/tokens/{kind}"), &format!("/tokens/{kind}")));
    let spend = [ratio("/spend_usd/low", "/spend_usd/settled"), ratio("/spend_usd/high", "/spend_usd/settled")];
    eprintln!("{flags:?}: calls {calls:.2}, prompt/cached/answer tokens {tokens:.2?}, spend {spend:.2?}");
    assert!((0.85..1.15).contains(&calls), "{calls}");
    assert!(tokens.iter().all(|ratio| (0.75..1.25).contains(ratio)), "{tokens:?}");
    assert!(spend[0] < 1.15 && spend[1] > 1.0, "{spend:?}");
}

#[test]
fn estimates_come_near_what_the_run_takes() {
    let scratch = scratch();
    let endpoint = simulator(&["--cache-tokens", "8000000"]);
    compare(&root().join("examples/instructions.jsonl"), &endpoint, &scratch.path().join("examples"), &[]);
    let rows = sixty(scratch.path());
    for layout in ["paper", "turns"] {
        compare(&rows, &endpoint, &scratch.path().join(layout), &["--layout", layout]);
    }
}

#[test]
fn prices_come_from_flags_then_settings_then_the_table() {
    let scratch = scratch();
    let rows = fixed_sections(scratch.path(), "rows.jsonl", 2, 2, 200);
    let of = |url: &str, flags: &[&str]| {
        longhand(&["estimate", "--base-url", url]).arg(&rows).args(flags.iter().copied()).within(scratch.path())
    };
    let paid = "https://api.example.com/v1";
    let input = |run: Run| printed(&run)["limits"]["price_usd_per_million"]["input"].as_f64();
    assert_eq!(input(of(paid, &["--model", "gpt-4o-mini"])), Some(0.15));
    let text = of(paid, &["--model", "gpt-4o-mini", "--max-cost", "5"]).finish(MOST).expect_code(0).stdout;
    assert!(text.contains("as of 2026-") && text.contains("$5.00: enough for all of it"), "{text}");
    assert_eq!(input(of(paid, &["--model", "gpt-4o-mini", "--price-in", "7"])), Some(7.0));
    assert_eq!(input(of(paid, &["--model", "my-own"])), None);
    assert_eq!(
        input(of("http://127.0.0.1:9/v1", &["--model", "gpt-4o-mini"])),
        None,
        "a model on this machine is another"
    );

    let table = scratch.path().join("own.toml");
    let entry = "[[model]]\nname = \"my-own\"\ninput = 2.5\ncached = 1.0\noutput = 5.0\nas_of = \"2026-11-24\"\nsource = \"https://example.com\"\n";
    std::fs::write(&table, entry).unwrap();
    let with_table = |run: Run| run.env("LONGHAND__PRICES__FILE", table.to_str().unwrap());
    assert_eq!(input(with_table(of(paid, &["--model", "my-own"]))), Some(2.5));
    assert_eq!(input(with_table(of(paid, &["--model", "gpt-4o-mini"]))), None, "the file replaces the table");
    let settled = with_table(of(paid, &["--model", "my-own"])).env("LONGHAND__LIMITS__PRICE_IN", "4");
    assert_eq!(input(settled), Some(4.0));
    std::fs::write(&table, entry.replace("5.0", "0")).unwrap();
    with_table(of(paid, &["--model", "my-own"])).finish(MOST).expect_error(2, "prices_file").expect_stderr("above 0");

    of(paid, &["--model", "my-own", "--max-cost", "5"]).finish(MOST).expect_error(2, "cap_without_price");
    let half = of(paid, &["--model", "my-own", "--price-in", "1"]).finish(MOST);
    half.expect_error(2, "half_a_price").expect_stderr("--price-out");
}

/// 0.0.0.0 reaches this machine and is no loopback address, so it counts as somebody else's.
#[test]
fn a_paid_run_asks_once_and_names_a_rough_spend() {
    let scratch = scratch();
    let endpoint = simulator(&[]);
    let rows = fixed_sections(scratch.path(), "rows.jsonl", 21, 1, 200);
    let url = endpoint.url().replace("127.0.0.1", "0.0.0.0");
    let paid = |model: &str, out: &str| {
        longhand(&["run", "--base-url", &url, "--model", model]).arg(&rows).arg("--out").arg(scratch.path().join(out))
    };
    let refused = paid("simulated", "no").finish(MOST).expect_error(2, "not_confirmed");
    refused.expect_stderr("--yes").expect_stderr("21 samples").expect_stderr("estimate: price unknown");
    paid("gpt-4o-mini", "no").finish(MOST).expect_error(2, "not_confirmed").expect_stderr("estimate: $0.12 to $0.15");
    assert_eq!(endpoint.stats().count("requests"), 0, "nothing was called");
    let few = paid("simulated", "few").args(["--limit", "20"]).finish(MOST).expect_code(0);
    assert!(!few.stderr.contains("estimate:"), "{}", few.stderr);
    paid("simulated", "yes").arg("--yes").finish(MOST).expect_code(0).expect_stderr("estimate: price unknown");

    // A cap answers too, and the table gives the price that it needs; what is paid is counted at it.
    let capped = paid("gpt-4o-mini", "cap").args(["--max-cost", "5"]);
    capped.finish(MOST).expect_code(0).expect_stderr(", cap $5.00").expect_stderr("$0.15 in, $0.075 cached");
    let report = printed(&longhand(&["report"]).arg(scratch.path().join("cap")));
    assert_eq!(report["spend_usd"]["price_usd_per_million"]["output"], 0.6);
    assert!(report["spend_usd"]["settled"].as_f64() > Some(0.0), "{report}");
    // Going on asks nothing: it was answered.
    capped.finish(MOST).expect_code(0);
}
