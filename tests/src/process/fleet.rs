//! The distributed edition in processes of its own: what all of them must know, and a look at their store from outside.

use std::path::{Path, PathBuf};
use std::time::Duration;

use agentwrite::ids::RunId;
use agentwrite::ports::{OverviewStore, ReportStore, RunState, RunStore, StoreError, Totals};
use checkpoints::postgres::PostgresStore;
use tokio::runtime::Runtime;

use super::run::Run;

/// What every process of a fleet knows: its servers, its folder of shards, its leases.
#[derive(Debug, Clone)]
pub struct Fleet {
    /// The `longhand` binary.
    pub binary: PathBuf,
    /// `LONGHAND__DATABASE__URL`.
    pub database: String,
    /// `LONGHAND__QUEUE__URL`.
    pub queue: String,
    /// The folder of all runs' shards.
    pub shards: PathBuf,
    /// The folder of the answers that the store did not take.
    pub spool: PathBuf,
    /// Lease, heartbeat and rescue interval in seconds; those of the binary if absent.
    pub leases: Option<[f64; 3]>,
}

impl Fleet {
    /// Any command of the fleet.
    pub fn command(&self, args: &[&str]) -> Run {
        let run = Run::of(&self.binary, args.iter().copied())
            .env("LONGHAND__DATABASE__URL", &self.database)
            .env("LONGHAND__QUEUE__URL", &self.queue)
            .env("LONGHAND__SHARDS__URL", format!("file://{}", self.shards.display()))
            .env("LONGHAND__SPOOL__DIR", self.spool.display().to_string());
        match self.leases {
            None => run,
            Some([lease, heartbeat, rescue]) => run
                .env("LONGHAND__LEASE__LEASE_SECONDS", lease.to_string())
                .env("LONGHAND__LEASE__HEARTBEAT_SECONDS", heartbeat.to_string())
                .env("LONGHAND__LEASE__RESCUE_SECONDS", rescue.to_string()),
        }
    }

    /// `serve ROLE`; the endpoint and the slots are for roles that make calls.
    pub fn serve(&self, role: &str, endpoint: Option<(&str, usize)>) -> Run {
        let run = self.command(&["serve", role]);
        match endpoint {
            None => run,
            Some((url, slots)) => run.args(["--base-url", url, "--concurrency", &slots.to_string()]),
        }
    }

    /// Makes the schema, submits `rows` and gives the run's id.
    pub fn submit(&self, rows: &Path, args: &[&str], most: Duration) -> RunId {
        self.command(&["migrate"]).finish(most).expect_code(0);
        let rows = rows.to_str().expect("a path of ours is text");
        let submit = self.command(&["submit", rows, "--model", "simulated"]).args(args.iter().copied());
        RunId::new(submit.finish(most).expect_code(0).stdout.trim().to_owned())
    }
}

/// The fleet's store, read from outside while it works.
#[derive(Debug)]
pub struct FleetStore {
    runtime: Runtime,
    store: PostgresStore,
}

impl FleetStore {
    /// Connects; the schema must be there.
    pub fn open(database: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime starts");
        let store = runtime.block_on(PostgresStore::connect(database)).expect("the database can be connected to");
        Self { runtime, store }
    }

    /// The run's state and counters; an error while the database is away.
    pub fn look(&self, run: &RunId) -> Result<(RunState, Totals), StoreError> {
        self.runtime.block_on(async {
            let state = self.store.run(run).await?.expect("the run is there").state;
            Ok((state, self.store.totals(run).await?))
        })
    }

    /// Broken invariants of the store (I1 to I6, I8): `(invariant, subject, what)`.
    pub fn violations(&self, run: &RunId) -> Vec<(String, String, String)> {
        let found = self.runtime.block_on(async {
            let mut found = self.store.violations(run).await?;
            let unbacked = self.store.unbacked(run).await?;
            found.extend(unbacked.into_iter().map(|(subject, what)| ("I2".to_owned(), subject, what)));
            Ok::<_, StoreError>(found)
        });
        found.expect("the store can be read")
    }
}
