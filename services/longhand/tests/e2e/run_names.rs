//! How a run is named, and what is said when there is none of that name, no database, or none that lets us in.

use harness::process::{Run, fixed_sections};
use servers::postgres::Postgres;
use tempfile::TempDir;

use crate::{MOST, longhand, scratch};

/// Every command that takes a run.
const COMMANDS: [&[&str]; 11] = [
    &["status", "RUN"],
    &["samples", "RUN"],
    &["inspect", "smp_1", "--in", "RUN"],
    &["why", "RUN"],
    &["report", "RUN"],
    &["retry", "RUN", "--yes"],
    &["pause", "RUN"],
    &["resume", "RUN"],
    &["limits", "RUN", "--rpm", "9"],
    &["export", "RUN", "--format", "jsonl", "--to", "x.jsonl"],
    &["doctor", "RUN"],
];

fn command(scratch: &TempDir, args: &[&str], run: &str, database: &str) -> Run {
    let args: Vec<&str> = args.iter().map(|arg| if *arg == "RUN" { run } else { arg }).collect();
    longhand(&args).env("LONGHAND__DATABASE__URL", database).within(scratch.path())
}

#[test]
fn who_is_not_there_is_not_found_and_no_password_is_shown() {
    let scratch = scratch();
    let database = Postgres::shared().database(None);
    let good = database.url();
    command(&scratch, &["migrate"], "", &good).finish(MOST).expect_code(0);
    let wrong = Postgres::shared().url_as("nobody", "geheim", database.name());
    for args in COMMANDS.iter().chain([&["cancel", "RUN"][..], &["repack", "RUN", "--to", "new"]].iter()) {
        command(&scratch, args, "run_nobody", &good)
            .finish(MOST)
            .expect_error(6, "not_found")
            .expect_stderr("there is no run run_nobody")
            .expect_stderr("longhand runs");
        let refused = command(&scratch, args, "run_nobody", &wrong).finish(MOST).expect_error(4, "database_auth");
        assert!(!format!("{}{}", refused.stdout, refused.stderr).contains("geheim"), "{}", refused.stderr);
    }
    let away = "postgres://a:geheim@127.0.0.1:9/b";
    let ended = command(&scratch, &["status", "RUN"], "run_nobody", away).finish(MOST);
    assert!(!ended.expect_error(3, "database_unreachable").stderr.contains("geheim"));
    let ended = command(&scratch, &["runs"], "", &wrong).finish(MOST).expect_error(4, "database_auth");
    assert!(!ended.stderr.contains("geheim"));

    let nowhere = || longhand(&["why", "run_nobody"]).within(scratch.path());
    nowhere().finish(MOST).expect_error(6, "not_found").expect_stderr("LONGHAND__DATABASE__URL");
    longhand(&["runs"])
        .within(scratch.path())
        .finish(MOST)
        .expect_error(2, "no_url")
        .expect_stderr("longhand status DIR");
    // A path is looked for on the disk only.
    let path = command(&scratch, &["status", "RUN"], "./run_nobody", away);
    path.finish(MOST).expect_error(6, "not_found").expect_stderr("there is no run ./run_nobody");
    let here = command(&scratch, &["inspect", "smp_1"], "", away);
    here.finish(MOST).expect_error(6, "not_found").expect_stderr("there is no longhand.db in it");
}

#[test]
fn a_run_is_named_by_its_id_the_start_of_it_or_its_name() {
    let scratch = scratch();
    let database = Postgres::shared().database(None);
    let url = database.url();
    let of = |args: &[&str], run: &str| command(&scratch, args, run, &url);
    of(&["migrate"], "").finish(MOST).expect_code(0);
    of(&["runs"], "").finish(MOST).expect_code(0).expect_stderr("no run in ");
    let rows = fixed_sections(scratch.path(), "essays.jsonl", 2, 2, 200);
    let submit = |flags: &[&str]| {
        let submit = of(&["submit", "--model", "simulated"], "").arg(&rows).args(flags.iter().copied());
        submit.finish(MOST).expect_code(0).stdout.trim().to_owned()
    };
    let (first, second) = (submit(&[]), submit(&["--name", "other"]));
    for name in [first.as_str(), &first[..first.len() - 1], "essays"] {
        let said = of(&["status", "RUN"], name).finish(MOST).expect_code(0).stdout;
        assert!(said.starts_with("essays") && said.contains(&first), "{said}");
    }
    let ambiguous = of(&["pause", "RUN"], "run_").finish(MOST).expect_error(2, "ambiguous");
    for part in [first.as_str(), second.as_str(), "essays", "other", "running"] {
        assert!(ambiguous.stderr.contains(part), "{part} in {}", ambiguous.stderr);
    }
    submit(&["--name", "other"]);
    of(&["why", "RUN"], "other").finish(MOST).expect_error(2, "ambiguous").expect_stderr("is the name of 2 runs");
    assert_eq!(database.sql("select count(*) from run where state = 'running'").trim(), "3", "nothing was paused");
    // Without a process that serves, that is said.
    assert!(of(&["status", "RUN"], &first).finish(MOST).stdout.contains("longhand serve planner"));
}

#[test]
fn a_submit_that_may_cost_money_asks_and_knows_its_endpoint() {
    let scratch = scratch();
    let database = Postgres::shared().database(None);
    let url = database.url();
    let rows = fixed_sections(scratch.path(), "rows.jsonl", 21, 2, 200);
    command(&scratch, &["migrate"], "", &url).finish(MOST).expect_code(0);
    let submit = |flags: &[&str]| {
        command(&scratch, &["submit", "--model", "simulated"], "", &url).arg(&rows).args(flags.iter().copied())
    };
    let paid = |run: Run| run.env("OPENAI_BASE_URL", "https://api.example.com/v1");
    paid(submit(&[])).finish(MOST).expect_error(2, "not_confirmed").expect_stderr("--yes");
    assert_eq!(database.sql("select count(*) from run").trim(), "0", "nothing was submitted");
    paid(submit(&["--yes"])).finish(MOST).expect_code(0);
    paid(submit(&["--max-cost", "5", "--price-in", "1", "--price-out", "2"])).finish(MOST).expect_code(0);
    paid(submit(&["--limit", "20"])).finish(MOST).expect_code(0);
    submit(&[]).env("OPENAI_BASE_URL", "http://127.0.0.1:9/v1").finish(MOST).expect_code(0);
    submit(&["--endpoint", "default", "--weight", "100"]).finish(MOST).expect_code(0);
    submit(&["--endpoint", "other"]).finish(MOST).expect_error(2, "unknown_endpoint").expect_stderr("known: default");
    for weight in ["0", "101", "some"] {
        submit(&["--weight", weight]).finish(MOST).expect_code(2);
    }
}

/// Nobody but who submits can say that a fleet's model is a simulator: its name does, or a flag.
#[test]
fn a_submit_to_a_simulator_is_marked_as_synthetic() {
    let scratch = scratch();
    let database = Postgres::shared().database(None);
    let url = database.url();
    let rows = fixed_sections(scratch.path(), "rows.jsonl", 1, 1, 200);
    command(&scratch, &["migrate"], "", &url).finish(MOST).expect_code(0);
    let synthetic = |flags: &[&str]| {
        let submit = command(&scratch, &["submit"], "", &url).arg(&rows).args(flags.iter().copied());
        let run = submit.finish(MOST).expect_code(0).stdout.trim().to_owned();
        let status = command(&scratch, &["status", "RUN", "--json"], &run, &url).finish(MOST).expect_code(0).stdout;
        let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
        status["synthetic"].as_bool()
    };
    assert_eq!(synthetic(&["--model", "simulated"]), Some(true));
    assert_eq!(synthetic(&["--model", "simulated", "--plan-model", "gpt-4o"]), Some(false));
    assert_eq!(synthetic(&["--model", "gpt-4o"]), Some(false));
    assert_eq!(synthetic(&["--model", "my-simulator", "--synthetic"]), Some(true));
}
