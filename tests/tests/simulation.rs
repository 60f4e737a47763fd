//! The seeded simulation: thousands of worlds, the guards taken away one by one, SQLite beneath.
//!
//! `SEEDS=n` plays n seeds however long that takes, `SEED=n` one seed, `FIRST=n` starts there. A failing seed is shrunk
//! and printed as a reproduction for `tests/reproductions.rs`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use checkpoints::memory::Guards;
use harness::simulation::{Mutant, Report, Script, Tally, run, run_on_sqlite, run_with, shrink};

/// Played on every build, unless the time is up first.
const SEEDS: u64 = 2_000;
const TIME: Duration = Duration::from_secs(60);
/// Why a lock may be taken for whole.
const POISON: &str = "no thread that plays seeds panics under a lock";

#[expect(clippy::disallowed_methods, reason = "a developer's wish, not the product's configuration")]
fn wish(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Texts of undisturbed worlds, which many seeds share.
#[derive(Default)]
struct Undisturbed(Mutex<HashMap<String, BTreeMap<String, String>>>);

impl Undisturbed {
    /// Plays a script and compares its shards with those of a world in which nothing happens.
    fn compare(&self, script: &Script) -> Report {
        let mut report = run(script);
        if report.violation.is_none() && script.keeps_texts() {
            let quiet = script.undisturbed();
            let key = quiet.to_json();
            let known = self.0.lock().expect(POISON).get(&key).cloned();
            let shards = known.unwrap_or_else(|| run(&quiet).shards);
            if shards != report.shards {
                let what = format!("the shards differ from an undisturbed run's: {shards:?} {:?}", report.shards);
                report.violation = Some(("shards".to_owned(), what));
            }
            self.0.lock().expect(POISON).insert(key, shards);
        }
        report
    }
}

#[derive(Default)]
struct Sum {
    played: u64,
    ops: u64,
    repeats: u64,
    requests: u64,
    tally: Tally,
}

impl Sum {
    fn add(&mut self, script: &Script, report: &Report) {
        self.played += 1;
        self.ops += script.ops.len() as u64;
        self.repeats += report.repeats;
        self.requests += report.requests;
        let Tally { crashes, interrupted, faults, rescued, parts, wasted, letters, steps } = report.tally;
        let all = &mut self.tally;
        all.crashes += crashes;
        all.interrupted += interrupted;
        all.faults += faults;
        all.rescued += rescued;
        all.parts += parts;
        all.wasted += wasted;
        all.letters += letters;
        all.steps += steps;
    }
}

/// Each world has one thread; cores play different worlds.
fn on_all_cores(work: impl Fn() + Sync) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(&work);
        }
    });
}

/// Plays seeds on all cores until one fails, the number is reached or the time is up.
fn play(first: u64, count: u64, time: Option<Duration>) -> (Sum, Option<(Script, Report)>) {
    let next = AtomicU64::new(first);
    let start = Instant::now();
    let undisturbed = Undisturbed::default();
    let found = Mutex::new((Sum::default(), None));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let late = time.is_some_and(|time| start.elapsed() > time);
            if seed >= first + count || late || found.lock().expect(POISON).1.is_some() {
                return;
            }
            let script = Script::of_seed(seed);
            let report = undisturbed.compare(&script);
            let mut found = found.lock().expect(POISON);
            found.0.add(&script, &report);
            if report.violation.is_some() {
                found.1.get_or_insert((script, report));
            }
        }
    };
    on_all_cores(work);
    found.into_inner().expect(POISON)
}

/// A script that failed, made small and printed.
fn fail(script: &Script, report: &Report) -> ! {
    let (invariant, what) = report.violation.clone().unwrap_or_default();
    println!("seed {} violates {invariant}: {what}\n{}", script.seed, script.to_json());
    let undisturbed = Undisturbed::default();
    let least =
        shrink(script, |script| undisturbed.compare(script).violation.is_some_and(|(found, _)| found == invariant));
    let (_, what) = undisturbed.compare(&least).violation.unwrap_or_default();
    println!("made small, {invariant}: {what}\n{}", least.to_json());
    panic!("seed {} violates {invariant}", script.seed);
}

#[test]
fn no_seed_violates_an_invariant() {
    let start = Instant::now();
    let (first, count, time) = match (wish("SEED"), wish("SEEDS")) {
        (Some(seed), _) => (seed, 1, None),
        (None, Some(count)) => (wish("FIRST").unwrap_or(0), count, None),
        (None, None) => (wish("FIRST").unwrap_or(0), SEEDS, Some(TIME)),
    };
    let (sum, failed) = play(first, count, time);
    println!(
        "{} seeds, {} operations in {:.1} s; {} requests, {} repeated, {} interrupted; {:?}",
        sum.played,
        sum.ops,
        start.elapsed().as_secs_f64(),
        sum.requests,
        sum.repeats,
        sum.tally.interrupted,
        sum.tally,
    );
    if let Some((script, report)) = failed {
        fail(&script, &report);
    }
    assert!(wish("SEED").is_some() || sum.tally.crashes > 0, "a simulation without a crash shows nothing");
    assert!(wish("SEED").is_some() || sum.tally.parts > 0, "a simulation without a cut answer shows nothing of parts");
}

/// A seed is a reproduction: it plays the same to the last step.
#[test]
fn a_seed_plays_the_same_twice() {
    for seed in 0..60 {
        let script = Script::of_seed(seed);
        assert_eq!(run(&script), run(&script), "seed {seed}");
    }
}

#[test]
fn sqlite_keeps_the_invariants() {
    let count = wish("SQLITE_SEEDS").unwrap_or(20);
    for seed in 0..count {
        let script = Script::of_seed(seed);
        let report = run_on_sqlite(&script);
        assert_eq!(report.violation, None, "seed {seed}: {}", script.to_json());
    }
}

/// Each guard, taken away, is missed within so many seeds.
const PATIENCE: u64 = 400;

#[test]
#[ignore = "minutes of mutants: make mutants-guards"]
fn guards_are_caught() {
    let on = Guards::default();
    let mutants = [
        ("fence", Mutant::Store(Guards { fence: false, ..on })),
        ("context_hash", Mutant::Store(Guards { context_hash: false, ..on })),
        ("unique_place", Mutant::Store(Guards { unique_place: false, ..on })),
        ("outbox_row", Mutant::Store(Guards { outbox_row: false, ..on })),
        ("lease_test", Mutant::Store(Guards { lease_test: false, ..on })),
        ("rescue", Mutant::Store(Guards { rescue: false, ..on })),
        ("ack_after_commit", Mutant::EarlyAck),
    ];
    let next = AtomicU64::new(0);
    let missed = Mutex::new(Vec::new());
    let work = || {
        while let Some((name, mutant)) = mutants.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
            let caught = (0..PATIENCE).find_map(|seed| {
                let report = run_with(&Script::of_seed(seed), Some(*mutant));
                report.violation.map(|violation| (seed, violation))
            });
            match caught {
                Some((seed, (invariant, what))) => println!("without {name}: seed {seed} violates {invariant}: {what}"),
                None => missed.lock().expect(POISON).push(*name),
            }
        }
    };
    on_all_cores(work);
    let missed = missed.into_inner().expect(POISON);
    assert!(missed.is_empty(), "{PATIENCE} seeds did not notice that these were gone: {missed:?}");
}
