//! What rows of the distributed edition share: private servers, processes, a run that is submitted and waited for.

use std::time::Duration;

use harness::process::{Child, Fleet, Signal, Simulator, Stats, sections, until, write_lines};
use servers::postgres::{Database, Postgres, Settings};
use servers::rabbitmq::RabbitMq;
use tempfile::TempDir;

use crate::scenario::Bench;

/// Longest that anything but the run itself may take.
const MOST: Duration = Duration::from_secs(60);

/// PostgreSQL whose commits reach the disk, and RabbitMQ, each on this machine and for one row alone.
pub struct Servers {
    postgres: Postgres,
    rabbitmq: RabbitMq,
}

impl Servers {
    /// Starts both.
    pub fn start() -> Self {
        Self { postgres: Postgres::start(Settings::default()), rabbitmq: RabbitMq::start() }
    }
}

/// A process of the fleet: its name in the results, its role, its slots (0: it makes no calls).
pub type Place = (&'static str, &'static str, usize);

/// A fleet that waits for work.
pub struct Site<'a> {
    servers: &'a Servers,
    database: Database<'a>,
    fleet: Fleet,
    scratch: TempDir,
    simulator: Simulator,
    processes: Vec<(&'static str, Child)>,
}

/// How a run went.
pub struct Outcome {
    /// What the endpoint counted.
    pub stats: Stats,
    /// CPU seconds from the submission to the end by process: those of the fleet first, then `submit`, `simulator`, `postgres`,
    /// `rabbitmq`.
    pub cpu: Vec<(&'static str, f64)>,
    /// Transactions that the database committed.
    pub commits: f64,
}

impl Outcome {
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

impl<'a> Site<'a> {
    /// An empty database, an endpoint and these processes, once all of them have said how many slots they have.
    pub fn open(bench: &Bench, servers: &'a Servers, places: &[Place], simulator: &[&str]) -> Self {
        let scratch = TempDir::new().expect("a temporary folder can be made");
        let database = servers.postgres.database(None);
        let fleet = Fleet {
            binary: bench.binary.clone(),
            database: database.url(),
            queue: queue(&servers.rabbitmq, database.name()),
            shards: scratch.path().join("shards"),
            spool: scratch.path().join("spool"),
            leases: None,
        };
        fleet.command(&["migrate"]).finish(MOST).expect_code(0);
        let simulator = Simulator::start(&bench.binary, simulator);
        let start = |(name, role, slots): &Place| {
            let endpoint = (*slots > 0).then(|| (simulator.url(), *slots));
            (*name, fleet.serve(role, endpoint).start())
        };
        let processes = places.iter().map(start).collect();
        let slots: usize = places.iter().map(|(_, _, slots)| slots).sum();
        let count = "select coalesce(sum(slots), 0) from (select distinct owner, slots from process) p";
        until(MOST, "all slots are announced", || database.sql(count).trim() == slots.to_string());
        Self { servers, database, fleet, scratch, simulator, processes }
    }

    /// Submits samples of these numbers of sections, waits for the end and stops the fleet in order.
    pub fn run(mut self, plans: &[usize], words: usize, slots: usize, flags: &[&str], most: Duration) -> Outcome {
        let lines = plans.iter().enumerate().map(|(index, count)| sections(index, *count, words));
        let rows = write_lines(self.scratch.path(), "rows.jsonl", lines);
        let slots = slots.to_string();
        let submit = ["submit", rows.to_str().expect("a path of ours is text"), "--model", "simulated", "--wait"];
        let (before, commits) = (self.cpu(), self.commits());
        let ended =
            self.fleet.command(&submit).args(["--concurrency", &slots]).args(flags.iter().copied()).finish(most);
        let ended = ended.expect_code(0);
        let after = self.cpu();
        let mut cpu: Vec<_> =
            after.into_iter().zip(before).map(|((name, after), (_, before))| (name, after - before)).collect();
        cpu.insert(self.processes.len(), ("submit", ended.usage.cpu_seconds));
        let (stats, commits) = (self.simulator.stats(), self.commits() - commits);
        for (_, process) in &mut self.processes {
            process.signal(Signal::Terminate);
        }
        for (_, process) in self.processes {
            process.wait(MOST).expect_code(0);
        }
        Outcome { stats, cpu, commits }
    }

    fn cpu(&mut self) -> Vec<(&'static str, f64)> {
        let mut all: Vec<_> =
            self.processes.iter_mut().map(|(name, process)| (*name, process.usage().cpu_seconds)).collect();
        all.push(("simulator", self.simulator.usage().cpu_seconds));
        all.push(("postgres", self.servers.postgres.cpu_seconds()));
        all.push(("rabbitmq", self.servers.rabbitmq.cpu_seconds()));
        all
    }

    fn commits(&self) -> f64 {
        let name = self.database.name();
        let sql = format!("select xact_commit from pg_stat_database where datname = '{name}'");
        self.database.sql(&sql).trim().parse().expect("a number")
    }
}

/// A virtual host of its own: what an earlier run left in the queues is not for these processes.
fn queue(broker: &RabbitMq, name: &str) -> String {
    let url = broker.url();
    let user = url.trim_start_matches("amqp://").split(':').next().expect("the address names a user");
    broker.ctl(&["add_vhost", name]);
    broker.ctl(&["set_permissions", "-p", name, user, ".*", ".*", ".*"]);
    format!("{}/{name}", url.rsplit_once('/').expect("the address names a virtual host").0)
}
