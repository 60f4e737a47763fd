//! `longhand doctor RUN|DIR`: whether a run keeps every promise. Reads only; may run beside whoever works on it.

mod endpoint;
mod files;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use agentwrite::ports::RunState;
use checkpoints::{postgres, sqlite};
use dataset::{DatasetFolder, DatasetPlace};
use serde_json::{Value, json};

use crate::cli::DoctorArgs;
use crate::embedded::SPOOL;
use crate::fault::{Exit, Fault};
use crate::fleet::{lead, shards};
use crate::folder::Folder;
use crate::output::{put, put_json};
use crate::place::{DATABASE, Home, Place};
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
    /// What is wrong: `(subject, what)`; `None` if it was not looked at.
    broken: Option<Vec<(String, String)>>,
}

impl Check {
    fn is_broken(&self) -> bool {
        self.broken.as_ref().is_some_and(|broken| !broken.is_empty())
    }
}

/// Examines.
pub async fn run(config_file: Option<&Path>, args: &DoctorArgs, out: &mut dyn Write) -> Result<Exit, Fault> {
    if args.check_endpoint {
        let exit = endpoint::run(config_file, args, out).await?;
        if args.place.is_none() {
            return Ok(exit);
        }
    }
    let Some(place) = &args.place else {
        return Err(Fault::usage("no_dir", "there is nothing to look at")
            .help("longhand doctor DIR, longhand doctor RUN, or longhand doctor --endpoint"));
    };
    let place = Place::read(config_file, place).await?;
    let at_work = place.at_work().await?;
    let shards = Shards::of(&place)?;
    let checks = examine(&place, at_work, shards.as_ref()).await?;
    let healthy = !checks.iter().any(Check::is_broken);
    let free = shards.and_then(|shards| free_bytes(&shards.folder?));
    if args.json {
        put_json(out, &as_json(&place, &checks, healthy, free, at_work))?;
    } else {
        put(out, &as_text(&checks))?;
        put(out, &surroundings(&place, free, at_work))?;
    }
    place.close().await;
    Ok(if healthy { Exit::Done } else { Exit::WorkFailed })
}

/// Where the run's shards are.
struct Shards {
    place: Arc<dyn DatasetPlace>,
    /// On this machine.
    folder: Option<PathBuf>,
}

impl Shards {
    /// None if it is not known here.
    fn of(place: &Place) -> Result<Option<Self>, Fault> {
        let in_folder = |dir: PathBuf| Self { place: Arc::new(DatasetFolder::at(&dir)), folder: Some(dir) };
        let settings = match &place.home {
            Home::Folder { dir, .. } => return Ok(Some(in_folder(dir.clone()))),
            Home::Fleet { settings, .. } if settings.shards.url.is_empty() => return Ok(None),
            Home::Fleet { settings, .. } => settings,
        };
        let run = place.run.id.as_str();
        Ok(Some(match shards::Shards::named(settings)? {
            shards::Shards::Folder(all) => in_folder(all.join(run)),
            shards::Shards::Bucket(bucket) => Self { place: Arc::new(bucket.dataset(run)), folder: None },
        }))
    }
}

async fn examine(place: &Place, at_work: bool, shards: Option<&Shards>) -> Result<Vec<Check>, Fault> {
    let mut checks = vec![store(place).await?];
    let mut found = violations(place).await?;
    if !found.is_empty() && (at_work || !place.is_folder()) {
        // Several statements see several moments of a run at work: only what is there twice is there.
        let again = violations(place).await?;
        found.retain(|violation| again.contains(violation));
    }
    if let Some(shards) = shards {
        let settled = place.run.state == RunState::Done && !packs(place).await?;
        let published = place.store.published(&place.run.id).await?;
        let at = Arc::clone(&shards.place);
        let looked = tokio::task::spawn_blocking(move || files::violations(&*at, &published, settled)).await;
        let looked = looked.expect("looking at files does not panic");
        found.extend(looked.map_err(|error| shards::fault_of(&error))?);
    }
    for (name, words) in INVARIANTS {
        let broken =
            found.iter().filter(|(of, _, _)| of == name).map(|(_, subject, what)| (subject.clone(), what.clone()));
        let (what, looked) = match shards {
            None if name == "I7" => (format!("{words}: LONGHAND__SHARDS__URL is not set here"), false),
            _ => (words.to_owned(), true),
        };
        checks.push(Check { name, what, broken: looked.then(|| broken.collect()) });
    }
    Ok(checks)
}

/// The database itself.
async fn store(place: &Place) -> Result<Check, Fault> {
    Ok(match &place.home {
        Home::Folder { database, .. } => Check {
            name: "file",
            what: format!("{DATABASE} is sound, schema version {}", sqlite::SCHEMA_VERSION),
            broken: Some(database.integrity().await?.into_iter().map(|line| (DATABASE.to_owned(), line)).collect()),
        },
        Home::Fleet { database, .. } => Check {
            name: "store",
            what: format!("{} answers, schema version {}", database.server(), postgres::SCHEMA_VERSION),
            broken: Some(Vec::new()),
        },
    })
}

/// Whether somebody writes shards and manifest of the run.
async fn packs(place: &Place) -> Result<bool, Fault> {
    match &place.home {
        Home::Folder { dir, .. } => Ok(Folder::has_runner(dir)),
        Home::Fleet { database, .. } => Ok(database.leader(&lead::name("packer", &place.run.id)).await?.is_some()),
    }
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
        let verdict = match &check.broken {
            None => "-",
            Some(broken) if broken.is_empty() => "ok",
            Some(_) => "broken",
        };
        table.row([format!("{:<5}", check.name), format!("{verdict:<6}"), check.what.clone()]);
        out.push_str(&table.render(0));
        let broken = check.broken.as_deref().unwrap_or_default();
        for (subject, what) in broken.iter().take(SHOWN) {
            let _ = writeln!(out, "               {subject}: {}", one_line(what, 160));
        }
        if broken.len() > SHOWN {
            let _ = writeln!(out, "               and {} more", count((broken.len() - SHOWN) as u64));
        }
    }
    out
}

fn surroundings(place: &Place, free: Option<u64>, at_work: bool) -> String {
    let disk = free.map_or("free space unknown".to_owned(), |free| format!("{} free", bytes(free)));
    match &place.home {
        Home::Folder { dir, .. } => around_folder(place, dir, &disk, at_work),
        Home::Fleet { .. } => {
            let work = if at_work { "a planner is at work on it" } else { "no planner is at work on it" };
            let disk = free.map_or(String::new(), |_| format!("disk   {disk} for shards\n"));
            format!("{disk}work   {work}\n")
        }
    }
}

fn around_folder(place: &Place, dir: &Path, disk: &str, runner: bool) -> String {
    let size = |name: &str| std::fs::metadata(dir.join(name)).map_or(0, |metadata| metadata.len());
    let log = size(&format!("{DATABASE}-wal"));
    let spooled = worker::waiting_answers(&dir.join(SPOOL));
    let mut out = format!("store  {}, log {}\n", bytes(size(DATABASE)), bytes(log));
    let _ = writeln!(out, "disk   {disk}");
    let _ = writeln!(out, "work   {}", if runner { "a runner is at work" } else { "no runner is at work" });
    if spooled > 0 && !runner {
        let answers = plural(spooled, "answer");
        let _ = writeln!(out, "spool  {answers} wait for the next start: `{}`", place.resume());
    }
    out
}

fn as_json(place: &Place, checks: &[Check], healthy: bool, free: Option<u64>, at_work: bool) -> Value {
    let checks: Vec<Value> = checks
        .iter()
        .map(|check| {
            let broken = check.broken.as_deref().unwrap_or_default();
            let listed: Vec<Value> =
                broken.iter().map(|(subject, what)| json!({"subject": subject, "what": what})).collect();
            let ok = check.broken.as_ref().map(Vec::is_empty);
            json!({"name": check.name, "what": check.what, "ok": ok, "broken": listed})
        })
        .collect();
    let version = if place.is_folder() { sqlite::SCHEMA_VERSION } else { postgres::SCHEMA_VERSION };
    json!({"schema": 1, "run": place.run.id, "ok": healthy, "schema_version": version, "checks": checks,
        "free_bytes": free, "runner": at_work})
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
