//! Measures the release binary against the simulator in a process of its own: `cargo run --release -p bench [-- ROW...]`.
//!
//! Every row states what was measured, the bound that no program can beat, and their ratio, so that figures of different
//! machines can be compared. `--quick` runs everything small, `--repeat N` sets how often a row is repeated (5).
//! To add a row: a module with `pub fn measure(&Bench) -> Vec<Row>`, its line in [`ROWS`], its line in docs/PERFORMANCE.md.

mod cache;
mod chart;
mod early_shards;
mod fleet;
mod fleet_limits;
mod fleet_makespan;
mod fleet_throughput;
mod floor;
mod hidden_limit;
mod ideal;
mod makespan;
mod memory;
mod million;
mod pool;
mod pool_cache;
mod pool_failover;
mod rate_limit;
mod replay;
mod restart;
mod row;
mod scenario;
mod spend_cap;
mod telemetry;
mod throughput;

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use row::Row;
use scenario::Bench;

type Measure = fn(&Bench) -> Vec<Row>;

/// Rows by name, in the order of the table.
const ROWS: &[(&str, Measure)] = &[
    ("makespan", makespan::measure),
    ("throughput", throughput::measure),
    ("memory", memory::measure),
    ("restart", restart::measure),
    ("rate-limit", rate_limit::measure),
    ("early-shards", early_shards::measure),
    ("cache", cache::measure),
    ("pool-cache", pool_cache::measure),
    ("pool-failover", pool_failover::measure),
    ("hidden-limit", hidden_limit::measure),
    ("spend-cap", spend_cap::measure),
    ("telemetry", telemetry::measure),
    ("fleet-makespan", fleet_makespan::measure),
    ("fleet-throughput", fleet_throughput::measure),
    ("fleet-limits", fleet_limits::requests),
    ("fleet-tokens", fleet_limits::tokens),
    ("fleet-shares", fleet_limits::shares),
    ("million", million::measure),
];

fn main() {
    if let [argument, bodies, url, database] = &std::env::args().skip(1).collect::<Vec<_>>()[..]
        && argument == floor::ARGUMENT
    {
        return floor::run(Path::new(bodies), url, Path::new(database));
    }
    let mut names = Vec::new();
    let (mut quick, mut repeat, mut unwatched) = (false, 5, None);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--quick" => quick = true,
            "--repeat" => repeat = args.next().and_then(|count| count.parse().ok()).unwrap_or_else(|| usage()),
            "--unwatched" => unwatched = Some(args.next().map_or_else(|| usage(), PathBuf::from)),
            name if ROWS.iter().any(|(known, _)| *known == name) => names.push(arg),
            _ => usage(),
        }
    }
    let binary = binary();
    let bench = Bench { binary, quick, repeat, unwatched };
    let mut rows = Vec::new();
    for (name, measure) in ROWS.iter().filter(|(name, _)| names.is_empty() || names.iter().any(|wanted| wanted == name))
    {
        eprintln!("measuring {name} ...");
        // A row that cannot be measured must not cost the others.
        let measured = catch_unwind(|| measure(&bench)).unwrap_or_else(|_| vec![Row::failed(name)]);
        for row in &measured {
            eprintln!("  {}\n    {}", row.line(), row.detail);
        }
        rows.extend(measured);
    }
    println!("{}", row::table(&rows));
    if quick || !names.is_empty() {
        eprintln!("results.json is only written by a whole run at full scale");
    } else {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("results.json");
        std::fs::write(&path, row::json(&rows)).expect("bench/ can be written");
        eprintln!("written to {}", path.display());
    }
    std::process::exit(i32::from(rows.iter().any(|row| !row.ok)));
}

fn usage() -> ! {
    let names: Vec<&str> = ROWS.iter().map(|(name, _)| *name).collect();
    eprintln!("usage: bench [--quick] [--repeat N] [--unwatched BINARY] [ROW...]; rows: {}", names.join(", "));
    std::process::exit(2);
}

/// The binary that was built beside this one.
fn binary() -> PathBuf {
    let own = std::env::current_exe().expect("this program has a path");
    let binary = own.with_file_name("longhand");
    if !binary.is_file() {
        eprintln!("there is no {}: run `cargo build --release -p longhand` first", binary.display());
        std::process::exit(2);
    }
    binary
}
