//! `longhand doctor DIR`: whether a run's folder keeps every promise. Reads only; may run beside a runner.

mod endpoint;
mod shards;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use agentwrite::ports::{PackStore, ReportStore, RunState};
use checkpoints::sqlite::SCHEMA_VERSION;
use serde_json::{Value, json};

use crate::cli::DoctorArgs;
use crate::embedded::SPOOL;
use crate::fault::{Exit, Fault};
use crate::folder::Folder;
use crate::output::{put, put_json};
use crate::place::{DATABASE, Place};
use crate::tables::{Align, Table, bytes, count, one_line, plural};

/// The invariants in words.
const INVARIANTS: [(&str, &str); 8] = [
    ("I1", "every place has at most one accepted text, no whole sample lacks one"),
    ("I2", "what counts as done has its result, every waiting message has its task"),
    ("I3", "a sample is in at most one shard"),
    ("I4", "no task was tried more often than its limit"),
    ("I5", "a sample in work has exactly one live task, every other none"),
    ("I6", "the ledger is the sum of the attempts"),
    ("I7", "published shards are in place and unchanged"),
    ("I8", "every sample's hash chain recomputes"),
];
/// Violations of one sort that are shown.
const SHOWN: usize = 5;

/// One thing that was looked at.
struct Check {
    name: &'static str,
    what: String,
    /// What is wrong: `(subject, what)`.
    broken: Vec<(String, String)>,
}

/// Examines.
pub async fn run(config_file: Option<&Path>, args: &DoctorArgs, out: &mut dyn Write) -> Result<Exit, Fault> {
    if args.check_endpoint {
        let exit = endpoint::run(config_file, args, out).await?;
        if args.dir.is_none() {
            return Ok(exit);
        }
    }
    let Some(dir) = &args.dir else {
        return Err(Fault::usage("no_dir", "there is nothing to look at")
            .help("longhand doctor DIR, or longhand doctor --endpoint"));
    };
    let place = Place::read(&dir.display().to_string()).await?;
    let runner = Folder::has_runner(&place.dir);
    let checks = examine(&place, runner).await?;
    let healthy = checks.iter().all(|check| check.broken.is_empty());
    let free = free_bytes(&place.dir);
    if args.json {
        put_json(out, &as_json(&checks, healthy, free, runner))?;
    } else {
        put(out, &as_text(&checks))?;
        put(out, &surroundings(&place.dir, free, runner))?;
    }
    Ok(if healthy { Exit::Done } else { Exit::WorkFailed })
}

async fn examine(place: &Place, runner: bool) -> Result<Vec<Check>, Fault> {
    let integrity = place.store.integrity().await?;
    let mut checks = vec![Check {
        name: "file",
        what: format!("{DATABASE} is sound, schema version {SCHEMA_VERSION}"),
        broken: integrity.into_iter().map(|line| (DATABASE.to_owned(), line)).collect(),
    }];
    let mut found = violations(place).await?;
    if runner && !found.is_empty() {
        // Several statements see several moments of a run at work: only what is there twice is there.
        let again = violations(place).await?;
        found.retain(|violation| again.contains(violation));
    }
    let published = place.store.published(&place.run.id).await?;
    let settled = place.run.state == RunState::Done && !runner;
    found.extend(shards::violations(&place.dir, &published, settled));
    for (name, words) in INVARIANTS {
        let broken =
            found.iter().filter(|(of, _, _)| of == name).map(|(_, subject, what)| (subject.clone(), what.clone()));
        checks.push(Check { name, what: words.to_owned(), broken: broken.collect() });
    }
    Ok(checks)
}

/// `(invariant, subject, what)` of everything that the store alone can show.
async fn violations(place: &Place) -> Result<BTreeSet<(String, String, String)>, Fault> {
    let mut found: BTreeSet<_> = place.store.violations(&place.run.id).await?.into_iter().collect();
    let unbacked = place.store.unbacked(&place.run.id).await?;
    found.extend(unbacked.into_iter().map(|(subject, what)| ("I2".to_owned(), subject, what)));
    Ok(found)
}

fn as_text(checks: &[Check]) -> String {
    let mut out = String::new();
    for check in checks {
        let mut table = Table::new(&[("", Align::Left), ("", Align::Left), ("", Align::Left)]);
        let verdict = if check.broken.is_empty() { "ok" } else { "broken" };
        table.row([format!("{:<5}", check.name), format!("{verdict:<6}"), check.what.clone()]);
        out.push_str(&table.render(0));
        for (subject, what) in check.broken.iter().take(SHOWN) {
            let _ = writeln!(out, "               {subject}: {}", one_line(what, 160));
        }
        if check.broken.len() > SHOWN {
            let _ = writeln!(out, "               and {} more", count((check.broken.len() - SHOWN) as u64));
        }
    }
    out
}

fn surroundings(dir: &Path, free: Option<u64>, runner: bool) -> String {
    let size = |name: &str| std::fs::metadata(dir.join(name)).map_or(0, |metadata| metadata.len());
    let log = size(&format!("{DATABASE}-wal"));
    let spooled = worker::waiting_answers(&dir.join(SPOOL));
    let mut out = format!("store  {}, log {}\n", bytes(size(DATABASE)), bytes(log));
    let _ = writeln!(
        out,
        "disk   {}",
        free.map_or("free space unknown".to_owned(), |free| format!("{} free", bytes(free)))
    );
    let _ = writeln!(out, "work   {}", if runner { "a runner is at work" } else { "no runner is at work" });
    if spooled > 0 && !runner {
        let answers = plural(spooled, "answer");
        let _ = writeln!(out, "spool  {answers} wait for the next start: `longhand resume {}`", dir.display());
    }
    out
}

fn as_json(checks: &[Check], healthy: bool, free: Option<u64>, runner: bool) -> Value {
    let checks: Vec<Value> = checks
        .iter()
        .map(|check| {
            let broken: Vec<Value> =
                check.broken.iter().map(|(subject, what)| json!({"subject": subject, "what": what})).collect();
            json!({"name": check.name, "what": check.what, "ok": broken.is_empty(), "broken": broken})
        })
        .collect();
    json!({"schema": 1, "ok": healthy, "schema_version": SCHEMA_VERSION, "checks": checks, "free_bytes": free,
        "runner": runner})
}

/// Free bytes on the folder's disk, as `df` tells; the standard library can't.
fn free_bytes(dir: &Path) -> Option<u64> {
    let output = Command::new("df").arg("-Pk").arg(dir).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    // From the right: a device's name may hold blanks.
    let columns: Vec<&str> = text.lines().nth(1)?.split_whitespace().rev().collect();
    let kilobytes: u64 =
        columns.iter().position(|column| column.ends_with('%')).and_then(|at| columns.get(at + 1))?.parse().ok()?;
    Some(kilobytes * 1024)
}
