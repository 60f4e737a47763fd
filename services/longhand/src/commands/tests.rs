//! The commands on a small folder: six samples in as many states, made through the ports.

mod fixture;

use serde_json::Value;

use super::*;
use crate::cli::{Cli, Command};
use crate::fault::{Exit, Fault};
use clap::Parser;
use fixture::Folder;

/// What a command line prints on stdout, and its exit code.
async fn run(folder: &Folder, line: &str) -> Result<(String, Exit), Fault> {
    let line = line.replace("DIR", folder.path());
    let cli = Cli::parse_from(std::iter::once("longhand").chain(line.split_whitespace()));
    let mut out = Vec::new();
    let exit = match cli.command {
        Command::Status(args) => status::run(None, &args, &mut out).await,
        Command::Samples(args) => samples::run(None, &args, &mut out).await,
        Command::Inspect(args) => inspect::run(None, &args, &mut out).await,
        Command::Why(args) => why::run(None, &args, &mut out).await,
        Command::Retry(args) => retry::run(None, &args, &mut out).await,
        Command::Pause(args) => control::pause(None, &args, &mut out).await,
        Command::Cancel(args) => control::cancel(None, &args, &mut out).await,
        Command::Limits(args) => limits::run(None, &args, &mut out).await,
        Command::Report(args) => report::run(None, &args, &mut out).await,
        Command::Export(args) => export::run(None, &args, &mut out).await,
        Command::Doctor(args) => doctor::run(None, &args, &mut out).await,
        other => panic!("not a command of these tests: {other:?}"),
    }?;
    Ok((String::from_utf8(out).unwrap(), exit))
}

async fn text(folder: &Folder, line: &str) -> String {
    run(folder, line).await.unwrap_or_else(|fault| panic!("{line}: {}", fault.render())).0
}

async fn json(folder: &Folder, line: &str) -> Value {
    let text = text(folder, line).await;
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["schema"], 1, "{line}");
    value
}

async fn fault(folder: &Folder, line: &str) -> Fault {
    match run(folder, line).await {
        Ok((text, _)) => panic!("{line} succeeded: {text}"),
        Err(fault) => fault,
    }
}

#[tokio::test]
async fn status_shows_the_panel_the_state_and_the_next_command() {
    let folder = Folder::new().await;
    let (text, exit) = run(&folder, "status DIR").await.unwrap();
    assert_eq!(exit, Exit::Done);
    assert!(text.starts_with("essays · writer (plans by planner) · "), "{text}");
    assert!(text.contains("3/6 50 %   ✓1 ✗2 ⋯1 queued 2"), "{text}");
    assert!(text.contains("sections 6"), "{text}");
    assert!(text.contains(&format!("next     longhand resume {}", folder.path())), "{text}");
    let value = json(&folder, "status DIR --json").await;
    assert_eq!(value["samples"]["packed"], 1);
    assert_eq!(value["samples"]["total"], 6);
    assert_eq!(value["state"], "running");
    assert_eq!(value["spend_usd"]["price_known"], true);
    assert!((value["spend_usd"]["settled"].as_f64().unwrap() - 11.0 * fixture::CALL_USD).abs() < 1e-12, "{value}");
    assert_eq!(value["calls"]["failed"], 1);
    assert_eq!(fault(&folder, "status DIR/nowhere").await.exit, Exit::NotFound);
}

#[tokio::test]
async fn a_watch_ends_when_nobody_is_at_work_and_a_paused_run_says_so_at_once() {
    let folder = Folder::new().await;
    let place = crate::place::Place::read(None, folder.path()).await.unwrap();
    let (store, clock) = (std::sync::Arc::clone(&place.store), std::sync::Arc::clone(&place.clock));
    let mut feed = crate::panel::Feed::new(store, clock, place.run.clone(), "writer", "out", place.run.created_at);
    let (view, alone) = status::watch(&place, &mut feed, std::time::Duration::from_millis(1)).await.unwrap();
    assert!(alone);
    assert_eq!(view.note.as_deref(), Some("no runner is at work on this folder"));
    text(&folder, "pause DIR").await;
    let (text, exit) = run(&folder, "status DIR --watch").await.unwrap();
    assert_eq!(exit, Exit::Limit);
    assert!(text.contains("state    paused (user)"), "{text}");
}

#[tokio::test]
async fn samples_are_listed_filtered_and_paged() {
    let folder = Folder::new().await;
    let all = text(&folder, "samples DIR").await;
    let lines: Vec<&str> = all.lines().collect();
    assert_eq!(lines.len(), 7, "{all}");
    assert!(lines[0].starts_with("sample                state     sections  words  code"), "{all}");
    assert!(lines[1].contains("packed") && lines[1].contains("2/2") && lines[1].ends_with("Write about topic 0."));
    assert!(lines[3].contains("failed") && lines[3].contains("1/2") && lines[3].contains("refusal"), "{all}");
    let page = json(&folder, "samples DIR --limit 2 --json").await;
    assert_eq!(page["next"], 1);
    assert_eq!(page["samples"].as_array().unwrap().len(), 2);
    let failed = json(&folder, "samples DIR --error refusal --json").await;
    assert_eq!(failed["samples"][0]["ordinal"], 2);
    let wrong = fault(&folder, "samples DIR --state wrting").await;
    assert_eq!((wrong.exit, wrong.help.as_deref()), (Exit::Usage, Some("did you mean writing?")));
}

#[tokio::test]
async fn inspect_shows_the_plan_the_tries_and_the_text() {
    let folder = Folder::new().await;
    let failed = folder.sample(2);
    let page = text(&folder, &format!("inspect {} --in DIR", &failed[..8])).await;
    assert!(page.starts_with(&format!("sample    {failed} · row 3 · id row-2\n")), "{page}");
    assert!(page.contains("state     failed, 1 of 2 sections"), "{page}");
    assert!(page.contains("why       refusal: it declined"), "{page}");
    assert!(page.contains("required  about 1,000 words, read from the instruction"), "{page}");
    let line = |start: &str| page.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{page}"));
    assert!(line("✓  1 ").contains("1,200") && line("✓  1 ").ends_with("Point 1 of topic 2"), "{page}");
    assert!(line("✗  2 ").ends_with("Point 2 of topic 2"), "{page}");
    assert!(page.contains("section 2   failed refusal after 1.0 s: it declined"), "{page}");
    assert!(page.contains("» I cannot help with that."), "{page}");
    assert!(page.contains(&format!("next     longhand retry {} {failed}", folder.path())), "{page}");

    let packed = folder.sample(0);
    let body = text(&folder, &format!("inspect {packed} --in DIR --text")).await;
    assert_eq!(body, format!("{}\n\n{}\n", fixture::prose(0, 0), fixture::prose(0, 1)));
    let second = text(&folder, "inspect row-0 --in DIR --section 2").await;
    assert_eq!(second, format!("{}\n", fixture::prose(0, 1)));
    assert_eq!(fault(&folder, &format!("inspect {packed} --in DIR --section 3")).await.exit, Exit::NotFound);
    assert_eq!(fault(&folder, "inspect smp_ --in DIR").await.code, "ambiguous");
    assert_eq!(fault(&folder, "inspect smp_0nobody --in DIR").await.exit, Exit::NotFound);
    let value = json(&folder, &format!("inspect {failed} --in DIR --json")).await;
    assert_eq!(value["sections"][0]["target_words"], 500);
    assert_eq!(value["attempts"][2]["code"], "refusal");
    assert_eq!(value["attempts"][0]["started_at"], "2026-11-14T22:13:20.000Z");
}

#[tokio::test]
async fn the_prompt_of_a_section_holds_the_sections_before_it_and_no_other() {
    let folder = Folder::new().await;
    let packed = folder.sample(0);
    let prompt = async |k: u32| text(&folder, &format!("inspect {packed} --in DIR --prompt {k}")).await;
    let plan = prompt(0).await;
    assert!(plan.contains("Write about topic 0.") && plan.contains("about 1000 words"), "{plan}");
    let first = prompt(1).await;
    assert!(first.contains("Point 2 of topic 0") && !first.contains(&fixture::prose(0, 0)), "{first}");
    let second = prompt(2).await;
    assert!(second.contains(&fixture::prose(0, 0)) && !second.contains(&fixture::prose(0, 1)), "{second}");
    assert!(second.trim_end().ends_with(agentwrite::prompts::NOTE_LAST));
    let value = json(&folder, &format!("inspect {packed} --in DIR --prompt 2 --json")).await;
    assert_eq!((value["model"].as_str(), value["messages"][0]["role"].as_str()), (Some("writer"), Some("user")));
    assert_eq!(fault(&folder, &format!("inspect {packed} --in DIR --prompt 3")).await.exit, Exit::NotFound);
    let pending = folder.sample(5);
    assert_eq!(fault(&folder, &format!("inspect {pending} --in DIR --prompt 1")).await.exit, Exit::NotFound);
}

#[tokio::test]
async fn samples_by_chance_are_packed_ones_and_different_ones() {
    let folder = Folder::new().await;
    let value = json(&folder, "inspect --random 5 --in DIR --json").await;
    assert_eq!(value["samples"].as_array().unwrap().len(), 1);
    assert_eq!(value["samples"][0]["state"], "packed");
}

#[tokio::test]
async fn why_groups_by_cause_and_names_the_command() {
    let folder = Folder::new().await;
    let said = text(&folder, "why DIR").await;
    assert!(said.starts_with("2 of 3 finished samples failed or were rejected (67 %) · 2 causes\n"), "{said}");
    assert!(said.contains("   1  refusal  (failed)\n      it declined\n      » I cannot help with that.\n"), "{said}");
    assert!(said.contains("a retry as it is will fail again"), "{said}");
    assert!(said.contains(&format!("longhand retry {} --error refusal --model NAME", folder.path())), "{said}");
    assert!(said.contains("   1  length_score  (rejected)"), "{said}");
    assert!(said.contains("tries that failed, also of samples that made it\n 1  refusal"), "{said}");
    let value = json(&folder, "why DIR --json").await;
    assert_eq!(value["causes"].as_array().unwrap().len(), 2);
    let empty = Folder::empty().await;
    assert!(text(&empty, "why DIR").await.starts_with("nothing failed: 0 finished, of 6"));
}

#[tokio::test]
async fn retry_looks_first_asks_and_goes_on_where_it_stopped() {
    let folder = Folder::new().await;
    let unsure = fault(&folder, "retry DIR").await;
    assert_eq!((unsure.code, unsure.exit), ("not_confirmed", Exit::Usage));
    let dry = text(&folder, "retry DIR --error refusal --dry-run").await;
    assert_eq!(dry, format!("1 sample would go on, 1 section is kept\n  {}\n", folder.sample(2)));
    assert_eq!(json(&folder, "status DIR --json").await["samples"]["failed"], 1, "a dry run changes nothing");
    let done = text(&folder, "retry DIR --error refusal --yes").await;
    assert!(done.starts_with("1 sample goes on, 1 section is kept\n"), "{done}");
    assert!(done.ends_with(&format!("next     longhand resume {}\n", folder.path())), "{done}");
    assert_eq!(json(&folder, "status DIR --json").await["samples"]["planned"], 1);
    assert!(text(&folder, "retry DIR --error refusal --yes").await.starts_with("nothing to retry"));
    let packed = folder.sample(0);
    assert!(text(&folder, &format!("retry DIR {packed}")).await.contains(&format!("{packed} is packed")));
    assert_eq!(fault(&folder, "retry DIR smp_nobody").await.exit, Exit::NotFound);
    let wrong = fault(&folder, "retry DIR --error refusel").await;
    assert_eq!((wrong.exit, wrong.help.as_deref()), (Exit::Usage, Some("did you mean refusal?")));
    let rejected = text(&folder, &format!("retry DIR {}", folder.sample(1))).await;
    assert!(rejected.contains("no section is kept") && rejected.contains("shards/shard-s0001"), "{rejected}");
    assert!(text(&folder, "doctor DIR").await.contains("I5     ok"));
}

#[tokio::test]
async fn pause_and_cancel_say_what_they_did_and_what_was_done_already() {
    let folder = Folder::new().await;
    assert!(text(&folder, "pause DIR").await.starts_with("paused\nnext     longhand resume "));
    assert_eq!(text(&folder, "pause DIR").await, "nothing to pause: the run is paused (user)\n");
    let cancelled = text(&folder, "cancel DIR").await;
    assert!(cancelled.starts_with("cancelled: 3 samples stopped, 1 sample with a whole text kept\n"), "{cancelled}");
    let again = json(&folder, "cancel DIR --json").await;
    assert_eq!((again["state"].as_str(), again["changed"].as_bool()), (Some("cancelled"), Some(false)));
}

#[tokio::test]
async fn limits_change_what_is_named_and_refuse_a_cap_without_a_price() {
    let folder = Folder::new().await;
    let shown = text(&folder, "limits DIR").await;
    assert!(shown.contains("concurrency   16\n") && shown.contains("$1.00 in, $0.10 cached, $4.00 out"), "{shown}");
    let changed = text(&folder, "limits DIR --rpm 600 --max-cost 80").await;
    assert!(changed.contains("requests/min  none") && changed.contains("-> 600\n"), "{changed}");
    let value = json(&folder, "status DIR --json").await;
    assert_eq!(value["limits"]["max_cost_usd"], 80.0);
    assert_eq!((value["limits"]["rpm"].as_u64(), value["limits"]["concurrency"].as_u64()), (Some(600), Some(16)));
    assert_eq!(fault(&folder, "limits DIR --weight 3").await.code, "weight", "a folder shares its slots with nobody");
    let free = Folder::empty().await;
    assert_eq!(fault(&free, "limits DIR --max-cost 5").await.exit, Exit::Usage);
}

#[tokio::test]
async fn the_report_counts_states_lengths_calls_and_money() {
    let folder = Folder::new().await;
    let said = text(&folder, "report DIR").await;
    for part in [
        "  packed    1",
        "  length_score  rejected  1",
        "  under 500            1  ██",
        "mean 10 words, longest 10, S_l 27.5",
        "  committed  10",
        "  failed      1",
        "  tokens: 13,200 in, 6,600 of them from the prefix cache (50 %), 3,300 out",
        "  settled          $0.020",
        "  saved           $0.0059  by the prefix cache",
    ] {
        assert!(said.contains(part), "{part:?} in {said}");
    }
    let value = json(&folder, "report DIR --json").await;
    assert_eq!(value["lengths"]["bands"][1]["asked"], 2);
    assert_eq!(value["tokens"]["cache_share"], 0.5);
    assert_eq!(value["calls"]["failed_by_code"]["refusal"], 1);
}

#[tokio::test]
async fn exports_hold_what_is_asked_for_and_replace_nothing() {
    let folder = Folder::new().await;
    let to = |name: &str| folder.dir.path().join(name);
    assert_eq!(
        text(&folder, "export DIR --format jsonl --to DIR/a.jsonl").await,
        format!("1 sample -> {}/a.jsonl\n", folder.path())
    );
    let rows = dataset::decode_jsonl(&std::fs::read(to("a.jsonl")).unwrap()).unwrap();
    assert_eq!((rows.len(), rows[0].id.as_str(), rows[0].messages.len()), (1, "row-0", 2));
    let again = fault(&folder, "export DIR --format jsonl --to DIR/a.jsonl").await;
    assert_eq!(again.exit, Exit::Conflict);
    text(&folder, "export DIR --format jsonl --to DIR/a.jsonl --overwrite --state packed,rejected,failed").await;
    let rows = dataset::decode_jsonl(&std::fs::read(to("a.jsonl")).unwrap()).unwrap();
    assert_eq!(rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["row-0", "row-1", "row-2"]);

    text(&folder, "export DIR --format parquet --to DIR/b.parquet --state packed,rejected --where meta.topic=1").await;
    let rows = dataset::decode_parquet(&std::fs::read(to("b.parquet")).unwrap()).unwrap();
    assert_eq!(rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["row-1"]);
    text(&folder, "export DIR --format parquet --to DIR/parts").await;
    assert!(to("parts/part-00000.parquet").is_file());

    text(&folder, "export DIR --format markdown --to DIR/texts").await;
    let page = std::fs::read_to_string(to(&format!("texts/00000-{}.md", folder.sample(0)))).unwrap();
    assert!(page.starts_with("---\nid: \"row-0\"\n") && page.contains("\n> Write about topic 0.\n"), "{page}");
    assert!(page.ends_with(&format!("{}\n", fixture::prose(0, 1))), "{page}");
    assert_eq!(fault(&folder, "export DIR --format markdown --to DIR/texts").await.exit, Exit::Conflict);
    assert_eq!(fault(&folder, "export DIR --format parquet --to DIR/c.jsonl").await.exit, Exit::Usage);
    let none = json(&folder, "export DIR --format jsonl --to DIR/d.jsonl --state pending --json").await;
    assert_eq!((none["samples"].as_u64(), none["without_text"].as_u64()), (Some(0), Some(2)));
    assert!(!to("d.jsonl.part").exists());
}

#[tokio::test]
async fn the_doctor_finds_a_changed_shard_and_a_broken_chain() {
    let folder = Folder::new().await;
    let (text, exit) = run(&folder, "doctor DIR").await.unwrap();
    assert_eq!(exit, Exit::Done, "{text}");
    assert_eq!(text.lines().filter(|line| line.contains("  ok  ")).count(), 9, "{text}");
    assert!(text.contains("disk   ") && text.contains("work   no runner"), "{text}");
    std::fs::write(folder.dir.path().join("shards/shard-00000.jsonl"), "other").unwrap();
    let (text, exit) = run(&folder, "doctor DIR").await.unwrap();
    assert_eq!(exit, Exit::WorkFailed);
    assert!(text.contains("I7     broken") && text.contains("shard-00000.jsonl: has 5 bytes"), "{text}");
    let value = json(&folder, "doctor DIR --json").await;
    assert_eq!(value["ok"], false);
    assert_eq!(value["checks"][8]["name"], "I8");
    assert_eq!(fault(&folder, "doctor").await.exit, Exit::Usage);
}
