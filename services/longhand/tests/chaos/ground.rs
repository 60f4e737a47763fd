//! The servers under a trial: rows that leave servers alone share a pair, those that hurt one take turns with one of its own.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use harness::process::{Folder, Run, Simulator, fixed_sections};
use servers::postgres::{Postgres, Settings};
use servers::rabbitmq::RabbitMq;

use crate::{LONGHAND, MOST};

/// Which servers a row hurts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ground {
    /// None.
    #[default]
    Shared,
    /// The broker.
    OwnBroker,
    /// The database.
    OwnDatabase,
    /// Both.
    Own,
}

/// The servers of one trial.
pub struct Servers {
    pub postgres: &'static Postgres,
    pub broker: &'static RabbitMq,
    /// The address of the broker's virtual host.
    pub queue: String,
    /// Its name.
    pub vhost: String,
    shared_vhost: bool,
    _turns: Vec<MutexGuard<'static, ()>>,
}

/// Virtual hosts of the shared broker that no trial uses: making one takes a second, and what an earlier trial left there
/// names tasks of its own database only.
static FREE: Mutex<Vec<String>> = Mutex::new(Vec::new());

impl Servers {
    pub fn of(ground: Ground) -> Self {
        let mut turns = Vec::new();
        let (own_broker, own_database) =
            (matches!(ground, Ground::OwnBroker | Ground::Own), matches!(ground, Ground::OwnDatabase | Ground::Own));
        let (broker, queue, vhost) = if own_broker {
            turns.push(turn(&BROKER_TURN));
            let broker = BROKER.get_or_init(RabbitMq::start);
            (broker, broker.url(), "/".to_owned())
        } else {
            let (queue, vhost) = virtual_host();
            (RabbitMq::shared(), queue, vhost)
        };
        let postgres = if own_database {
            turns.push(turn(&DATABASE_TURN));
            DATABASE.get_or_init(|| Postgres::start(Settings::default()))
        } else {
            Postgres::shared()
        };
        Self { postgres, broker, queue, vhost, shared_vhost: !own_broker, _turns: turns }
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        if self.shared_vhost {
            FREE.lock().unwrap_or_else(PoisonError::into_inner).push(std::mem::take(&mut self.vhost));
        }
    }
}

static BROKER: OnceLock<RabbitMq> = OnceLock::new();
static BROKER_TURN: Mutex<()> = Mutex::new(());
static DATABASE: OnceLock<Postgres> = OnceLock::new();
static DATABASE_TURN: Mutex<()> = Mutex::new(());

fn turn(mutex: &'static Mutex<()>) -> MutexGuard<'static, ()> {
    // A row that failed leaves the server to the next one.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn virtual_host() -> (String, String) {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let broker = RabbitMq::shared();
    let url = broker.url();
    let free = FREE.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let name = free.unwrap_or_else(|| {
        let user = url.trim_start_matches("amqp://").split(':').next().expect("the address names a user");
        let name = format!("chaos{}", NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        broker.ctl(&["add_vhost", &name]);
        broker.ctl(&["set_permissions", "-p", &name, user, ".*", ".*", ".*"]);
        name
    });
    (format!("{}/{name}", url.rsplit_once('/').expect("the address names a virtual host").0), name)
}

/// The shards that the embedded edition makes of the same rows, undisturbed.
pub fn calm(samples: usize, sections: usize, shard_size: &str) -> BTreeMap<String, Vec<u8>> {
    type Shards = BTreeMap<String, Vec<u8>>;
    static MADE: Mutex<BTreeMap<(usize, usize), Shards>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let entry = made.entry((samples, sections)).or_insert_with(|| {
        let scratch = tempfile::TempDir::new().expect("a temporary folder can be made");
        let rows = fixed_sections(scratch.path(), "rows.jsonl", samples, sections, 200);
        let (endpoint, out) = (Simulator::start::<&str>(LONGHAND, &[]), scratch.path().join("calm"));
        let run = Run::on(LONGHAND, &rows, &out, endpoint.url()).args(["--shard-size", shard_size]);
        run.finish(MOST).expect_code(0);
        Folder::at(out).shard_bytes()
    });
    entry.clone()
}
