//! What rows of the distributed edition share: real servers on this machine, a process for each role, a run submitted to
//! them and waited for.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use agentwrite::ids::RunId;
use agentwrite::ports::RunState;
use harness::process::{
    Child, Fleet, FleetStore, SampleState, Signal, Simulator, Stats, Usage, sections, until, write_lines,
};
use serde_json::{Value, json};
use servers::postgres::{Database, Postgres, Settings};
use servers::rabbitmq::RabbitMq;
use tempfile::TempDir;

use crate::scenario::Bench;

/// Longest that anything but the run may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The servers, started by the first row that needs them: commits reach the disk, as in production.
fn servers() -> &'static (Postgres, RabbitMq) {
    static SERVERS: OnceLock<(Postgres, RabbitMq)> = OnceLock::new();
    SERVERS.get_or_init(|| (postgres(), RabbitMq::start()))
}

/// A database server whose commits reach the disk.
pub fn postgres() -> Postgres {
    Postgres::start(Settings { fsync: true, ..Settings::default() })
}

/// The processes of a fleet: role and slots.
pub type Roles = [(&'static str, usize)];

/// A run and how many samples it has.
type Submitted = (RunId, u64);

/// A fleet at rest, and what it is to do.
pub struct FleetScene {
    fleet: Fleet,
    store: FleetStore,
    runs: Vec<Submitted>,
    slots: usize,
    endpoint: Simulator,
    processes: Vec<(&'static str, Child)>,
    database: Database<'static>,
    servers_before: [f64; 2],
    scratch: TempDir,
}

/// How it went.
pub struct FleetOutcome {
    /// What the endpoint counted.
    pub stats: Stats,
    /// CPU seconds of our processes.
    pub own_cpu: f64,
    /// CPU seconds by process, the servers and the simulator too.
    pub cpu: Value,
    /// Largest resident memory of one of our processes, in bytes.
    pub peak_rss_bytes: u64,
}

impl FleetOutcome {
    /// From the first request to the end of the last answer, in seconds.
    pub fn seconds(&self) -> f64 {
        let at = |name: &str| self.stats.milliseconds(name).expect("there were calls");
        (at("last_answer_ms") - at("first_request_ms")) / 1000.0
    }

    /// Complete answers.
    pub fn calls(&self) -> f64 {
        self.stats.count("answered") as f64
    }
}

impl FleetScene {
    /// Starts the processes and waits until all slots are announced.
    pub fn start(bench: &Bench, simulator: &[&str], roles: &Roles, slots: usize) -> Self {
        let scratch = TempDir::new().expect("a temporary folder can be made");
        let (postgres, broker) = servers();
        let database = postgres.database(None);
        let fleet = Fleet {
            binary: bench.binary.clone(),
            database: database.url(),
            queue: broker.url(),
            shards: scratch.path().join("shards"),
            spool: scratch.path().join("spool"),
            leases: None,
        };
        fleet.command(&["migrate"]).finish(PATIENCE).expect_code(0);
        let endpoint = Simulator::start(&bench.binary, simulator);
        let start = |(role, slots): &(&'static str, usize)| {
            (*role, fleet.serve(role, (*slots > 0).then_some((endpoint.url(), *slots))).start())
        };
        let processes: Vec<_> = roles.iter().map(start).collect();
        let announced = "select coalesce(sum(slots), 0) from process where kind = 'section'";
        until(PATIENCE, "all slots are announced", || database.sql(announced).trim() == slots.to_string());
        let store = FleetStore::open(&database.url());
        let servers_before = [postgres.cpu_seconds(), broker.cpu_seconds()];
        Self { fleet, store, runs: Vec::new(), slots, endpoint, processes, database, servers_before, scratch }
    }

    /// Submits a run whose sample i gets `plans[i]` sections of `words` words.
    pub fn submit(mut self, plans: &[usize], words: usize, options: &[&str]) -> Self {
        // Two runs of the same rows would send the same requests.
        let first = self.runs.len() * 100_000;
        let lines = plans.iter().enumerate().map(|(index, count)| sections(first + index, *count, words));
        let rows = write_lines(self.scratch.path(), &format!("rows-{}.jsonl", self.runs.len()), lines);
        let slots = self.slots.to_string();
        let run = self.fleet.submit(&rows, &[&["--concurrency", &slots], options].concat(), PATIENCE);
        self.runs.push((run, plans.len() as u64));
        self
    }

    /// What the endpoint has counted so far.
    pub fn stats(&self) -> Stats {
        self.endpoint.stats()
    }

    /// Calls of each run that have ended, in the order of submission.
    pub fn calls(&self) -> Vec<u64> {
        let look = |(run, _): &Submitted| self.store.look(run).expect("the store can be read").1.calls;
        self.runs.iter().map(look).collect()
    }

    /// Waits until every sample is packed, stops the processes in order and counts.
    pub fn finish(mut self, most: Duration) -> FleetOutcome {
        let since = Instant::now();
        for (run, samples) in &self.runs {
            loop {
                let (state, totals) = self.store.look(run).expect("the store can be read");
                if state == RunState::Done {
                    assert_eq!(totals.state(SampleState::Packed), *samples, "{totals:?}");
                    break;
                }
                assert!(since.elapsed() < most, "it takes too long: {totals:?}");
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        let (postgres, broker) = servers();
        let [database_before, broker_before] = self.servers_before;
        let servers = [postgres.cpu_seconds() - database_before, broker.cpu_seconds() - broker_before];
        let simulator = self.endpoint.usage();
        let used: Vec<(&str, Usage)> = self.processes.into_iter().map(|(role, child)| (role, stopped(child))).collect();
        let mut cpu = json!({"postgres": servers[0], "rabbitmq": servers[1], "simulator": simulator.cpu_seconds});
        for (number, (role, usage)) in used.iter().enumerate() {
            cpu[format!("{role} {number}")] = json!(usage.cpu_seconds);
        }
        assert_eq!(self.endpoint.stats().count("repeats"), 0, "every call once");
        let violations: Vec<_> = self.runs.iter().flat_map(|(run, _)| self.store.violations(run)).collect();
        assert!(violations.is_empty(), "{violations:?} in {} for {:?}", self.database.name(), self.fleet);
        FleetOutcome {
            stats: self.endpoint.stats(),
            own_cpu: used.iter().map(|(_, usage)| usage.cpu_seconds).sum(),
            peak_rss_bytes: used.iter().map(|(_, usage)| usage.peak_rss_bytes).max().unwrap_or(0),
            cpu,
        }
    }
}

fn stopped(mut child: Child) -> Usage {
    child.signal(Signal::Terminate);
    child.wait(PATIENCE).expect_code(0).usage
}
