//! One run of a fleet that a row does something to.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use agentwrite::ids::RunId;
use harness::process::{
    Child, Fleet, FleetStore, Proxy, Run, Signal, Simulator, SmallDisk, fixed_sections, host_and_port,
};
use servers::postgres::Database;
use servers::s3::S3;
use tempfile::TempDir;

use crate::ground::{Ground, Servers};
use crate::{LONGHAND, MOST};

/// How often a condition is looked at: the processes under test need the cores.
const REST: Duration = Duration::from_millis(20);

/// A process of the fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    Planner,
    /// The one that faults are done to; it may reach its servers through proxies.
    Writer,
    OtherWriter,
    Packer,
    SecondPlanner,
    SecondPacker,
}

impl Who {
    fn role(self) -> &'static str {
        match self {
            Self::Planner | Self::SecondPlanner => "planner",
            Self::Writer | Self::OtherWriter => "section-writer",
            Self::Packer | Self::SecondPacker => "shard-packer",
        }
    }
}

/// A server that the writer reaches through a proxy, if nothing else is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Through {
    Database,
    Broker,
    Endpoint,
    /// The bucket of the shards, which the packers reach through it.
    Bucket,
}

/// The bucket of a trial, and what stands before every key.
pub const BUCKET: &str = "data";
pub const PREFIX: &str = "runs";

/// What a row needs.
#[derive(Debug, Clone)]
pub struct Setting {
    pub ground: Ground,
    pub fleet: &'static [Who],
    pub samples: usize,
    pub sections: usize,
    /// Of each of the writers, and of the planner.
    pub slots: usize,
    pub latency_ms: u64,
    /// Lease, heartbeat and rescue interval in seconds.
    pub leases: [f64; 3],
    /// More arguments of the simulator.
    pub simulator: &'static [&'static str],
    pub through: Option<Through>,
    /// Variables of every process.
    pub environment: &'static [(&'static str, &'static str)],
    /// Room in bytes on a disk of its own for the writer's spool, if it has one.
    pub spool: Option<u64>,
    /// Whether the clocks of processes can be set ([`Trial::set_clock`]).
    pub clocks: bool,
    /// More arguments of `submit`.
    pub submit: &'static [&'static str],
    /// Re-asked texts differ from those of an undisturbed run: everything but the bytes is compared.
    pub other_texts: bool,
    /// How long the run may take after the fault.
    pub most: Duration,
}

impl Setting {
    /// 40 samples of 4 sections, calls of 100 ms, a planner, two writers of 5 slots and a packer.
    pub const USUAL: Self = Self {
        ground: Ground::Shared,
        fleet: &[Who::Planner, Who::Writer, Who::OtherWriter, Who::Packer],
        samples: 40,
        sections: 4,
        slots: 5,
        latency_ms: 100,
        leases: LEASES,
        simulator: &[],
        through: None,
        environment: &[],
        spool: None,
        clocks: false,
        submit: &[],
        other_texts: false,
        most: MOST,
    };

    /// The same with calls so long that the run outlasts a fault of several seconds.
    pub const LONG: Self = Self { latency_ms: 400, ..Self::USUAL };

    /// A plan and the sections of each sample.
    pub fn calls(&self) -> u64 {
        (self.samples * (self.sections + 1)) as u64
    }
}

/// A process: its command, and the child if it runs.
struct Process {
    command: Run,
    child: Option<Child>,
}

/// A running trial.
pub struct Trial {
    pub setting: Setting,
    pub servers: Servers,
    pub fleet: Fleet,
    pub database: Database<'static>,
    pub store: FleetStore,
    pub run: RunId,
    pub endpoint: Simulator,
    pub proxy: Option<Proxy>,
    /// The disk of the writer's spool, if it has one of its own.
    pub spool: Option<SmallDisk>,
    /// The server of the bucket, if shards go to one.
    pub s3: Option<S3>,
    /// Seconds from the end of each fault to the next call answered.
    pub resumes: Vec<f64>,
    /// Ids of processes that were killed.
    pub killed: Vec<u32>,
    /// Repeats that are allowed beyond the calls open at the kills.
    pub allowed: u64,
    pub started: Instant,
    processes: BTreeMap<Who, Process>,
    dice: u64,
    scratch: TempDir,
}

/// Leases that lapse within a test.
const LEASES: [f64; 3] = [3.0, 1.0, 1.0];
/// The lease of tasks.
pub const LEASE: Duration = Duration::from_secs(3);
/// Ordinals per shard.
pub const SHARD_SIZE: &str = "8";

impl Trial {
    /// Starts a fleet and submits the run.
    pub fn start(setting: &Setting, seed: u64) -> Self {
        let scratch = TempDir::new().expect("a temporary folder can be made");
        let servers = Servers::of(setting.ground);
        let database = servers.postgres.database(None);
        let latency = setting.latency_ms.to_string();
        let mut args = vec!["--latency-ms", latency.as_str()];
        args.extend(setting.simulator);
        let endpoint = Simulator::start(LONGHAND, &args);
        let fleet = Fleet {
            binary: LONGHAND.into(),
            database: database.url(),
            queue: servers.queue.clone(),
            shards: scratch.path().join("shards"),
            spool: scratch.path().join("spool"),
            leases: Some(setting.leases),
        };
        let s3 = (setting.through == Some(Through::Bucket)).then(S3::start);
        if let Some(s3) = &s3 {
            s3.make_bucket(BUCKET);
        }
        let proxy = setting.through.map(|through| {
            Proxy::before(match through {
                Through::Database => host_and_port(&fleet.database),
                Through::Broker => host_and_port(&fleet.queue),
                Through::Endpoint => host_and_port(endpoint.url()),
                Through::Bucket => s3.as_ref().expect("it was started").address(),
            })
        });
        let rows = fixed_sections(scratch.path(), "rows.jsonl", setting.samples, setting.sections, 200);
        let writers = setting.fleet.iter().filter(|who| who.role() == "section-writer").count();
        let concurrency = (setting.slots * writers).to_string();
        let mut submit = vec!["--shard-size", SHARD_SIZE, "--concurrency", &concurrency];
        submit.extend(setting.submit);
        let run = fleet.submit(&rows, &submit, MOST);
        let mut trial = Self {
            store: FleetStore::open(&database.url()),
            setting: setting.clone(),
            resumes: Vec::new(),
            killed: Vec::new(),
            allowed: 0,
            started: Instant::now(),
            processes: BTreeMap::new(),
            dice: seed,
            spool: setting.spool.map(|room| SmallDisk::at(scratch.path().join("small"), room)),
            scratch,
            servers,
            fleet,
            database,
            run,
            endpoint,
            proxy,
            s3,
        };
        for who in setting.fleet {
            trial.launch(*who);
        }
        trial
    }

    /// The command of a process.
    pub fn command(&self, who: Who) -> Run {
        self.command_by(&self.fleet.binary, who)
    }

    /// The same by another binary.
    pub fn command_by(&self, binary: &Path, who: Who) -> Run {
        let mut fleet = Fleet { binary: binary.to_owned(), ..self.fleet.clone() };
        let mut url = self.endpoint.url().to_owned();
        if let (Who::Writer, Some(proxy), Some(through)) = (who, &self.proxy, self.setting.through) {
            match through {
                Through::Database => fleet.database = proxy.through(&fleet.database),
                Through::Broker => fleet.queue = format!("{}?heartbeat=2", proxy.through(&fleet.queue)),
                Through::Endpoint => url = proxy.through(&url),
                Through::Bucket => {}
            }
        }
        let calls = who.role() != "shard-packer";
        let run = fleet.serve(who.role(), calls.then_some((&url, self.setting.slots)));
        let run = if calls { run } else { self.to_bucket(run) };
        let run = match &self.spool {
            Some(disk) if who == Who::Writer => run.env("LONGHAND__SPOOL__DIR", disk.path().display().to_string()),
            _ => run,
        };
        let run = if self.setting.clocks { run.env("LONGHAND_CLOCK_OFF", self.clock_of(who)) } else { run };
        self.setting.environment.iter().fold(run, |run, (name, value)| run.env(name, *value))
    }

    /// A command whose shards are in the trial's bucket, if it has one.
    pub fn to_bucket(&self, run: Run) -> Run {
        let (Some(proxy), true) = (&self.proxy, self.s3.is_some()) else { return run };
        run.env("LONGHAND__SHARDS__URL", format!("s3://{BUCKET}/{PREFIX}"))
            .env("AWS_ENDPOINT_URL", proxy.through("http://bucket"))
            .env("AWS_ACCESS_KEY_ID", "key")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
    }

    /// Starts a process.
    pub fn launch(&mut self, who: Who) {
        let command = self.command(who);
        self.launch_as(who, command);
    }

    /// Starts a process by another command; it counts as this one.
    pub fn launch_as(&mut self, who: Who, command: Run) {
        let child = match &self.spool {
            Some(disk) if who == Who::Writer => disk.start(&command),
            _ => command.start(),
        };
        let before = self.processes.insert(who, Process { command, child: Some(child) });
        assert!(before.is_none_or(|process| process.child.is_none()), "{who:?} runs already");
    }

    /// The process while it runs.
    pub fn child(&mut self, who: Who) -> &mut Child {
        self.processes.get_mut(&who).and_then(|process| process.child.as_mut()).expect("it runs")
    }

    /// The file that says by how much a process's clock is wrong.
    fn clock_of(&self, who: Who) -> String {
        self.scratch.path().join(format!("{who:?}.clock")).display().to_string()
    }

    /// The process's clock jumps to so many seconds off the true time.
    pub fn set_clock(&self, who: Who, seconds: i64) {
        set_clock(Path::new(&self.clock_of(who)), seconds);
    }

    /// There is room on the disk of the writer's spool.
    pub fn make_room(&mut self) {
        let mut disk = self.spool.take().expect("the row has a small disk");
        disk.grow(self.processes.get(&Who::Writer).and_then(|process| process.child.as_ref()));
        self.spool = Some(disk);
    }

    /// Every process that runs.
    pub fn running(&self) -> Vec<Who> {
        self.processes.iter().filter(|(_, process)| process.child.is_some()).map(|(who, _)| *who).collect()
    }

    /// `kill -9`.
    pub fn kill(&mut self, who: Who) {
        let child = self.processes.get_mut(&who).and_then(|process| process.child.take()).expect("it runs");
        self.killed.push(child.pid());
        child.kill();
    }

    /// Waits for a process that is to kill itself at a crash point.
    pub fn until_crashed(&mut self, who: Who) {
        const SIGABRT: i32 = 6;
        let child = self.processes.get_mut(&who).and_then(|process| process.child.take()).expect("it runs");
        self.killed.push(child.pid());
        let ended = child.wait(MOST);
        assert_eq!(ended.signal, Some(SIGABRT), "{who:?} ended with {:?}: {}", ended.code, ended.stderr);
    }

    /// Starts a process that crashes at the `count`-th passage of a point, and waits for that.
    pub fn crash(&mut self, who: Who, point: &str, count: u32) {
        let command = self.command(who).env("LONGHAND_CRASH", format!("{point}:{count}"));
        self.launch_as(who, command);
        self.until_crashed(who);
    }

    /// SIGTERM, and waits for a clean end. A process that has only just started would know no better than to die of it.
    pub fn drain(&mut self, who: Who) {
        let mut child = self.processes.get_mut(&who).and_then(|process| process.child.take()).expect("it runs");
        child.until_stderr("serves", MOST);
        child.signal(Signal::Terminate);
        let ended = child.wait(Duration::from_secs(40));
        assert_eq!(ended.code, Some(0), "{who:?} was stopped in order: {}", ended.stderr);
    }

    /// Stops a process that may have ended by itself.
    pub fn stop_whatever_it_is(&mut self, who: Who) {
        self.processes.get_mut(&who).and_then(|process| process.child.take()).expect("it was started").kill();
    }

    /// Panics with what it said if a process has ended that nobody stopped.
    pub fn assert_alive(&mut self) {
        for (who, process) in &mut self.processes {
            let Some(child) = process.child.as_mut() else { continue };
            if let Some(status) = child.ended() {
                panic!("{who:?} ended by itself with {status}: {}", child.stderr());
            }
        }
    }

    /// The last words of every process that runs.
    pub fn last_words(&self) -> String {
        let tail = |text: String| {
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(25)..].join("\n")
        };
        let child = |(who, process): (&Who, &Process)| {
            process.child.as_ref().map(|child| format!("--- {who:?} {:?}\n{}\n", process.command, tail(child.stderr())))
        };
        self.processes.iter().filter_map(child).collect()
    }

    /// Waits for a condition.
    #[track_caller]
    pub fn until(&mut self, what: &str, mut look: impl FnMut(&mut Self) -> bool) {
        let start = Instant::now();
        while !look(self) {
            let most = self.setting.most;
            assert!(start.elapsed() <= most, "after {most:?} still not: {what}\n{}", self.last_words());
            std::thread::sleep(REST);
        }
    }

    /// Answers that the endpoint has given in full.
    pub fn answered(&self) -> u64 {
        self.endpoint.stats().count("answered")
    }

    /// Waits until this share of all calls is answered; a few percent more or less, by the seed.
    pub fn until_share(&mut self, share: f64) {
        let share = share + self.random() * 0.1 - 0.05;
        let wanted = (self.setting.calls() as f64 * share) as u64;
        self.until("some calls are answered", |trial| trial.answered() >= wanted);
    }

    /// 0..1, by the seed.
    pub fn random(&mut self) -> f64 {
        // SplitMix64
        self.dice = self.dice.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.dice;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) as f64 / u64::MAX as f64
    }

    /// The fault is over: measures how long it takes to the next answer.
    pub fn over(&mut self) {
        let (before, since) = (self.answered(), Instant::now());
        if before >= self.setting.calls() {
            return;
        }
        self.until("a call is answered after the fault", |trial| trial.answered() > before);
        self.resumes.push(since.elapsed().as_secs_f64());
    }

    /// A number that the database tells.
    pub fn count(&self, sql: &str) -> u64 {
        self.database.sql(sql).trim().parse().expect("a number")
    }

    /// The calls of a process that reaches nobody any more may be repeated. What it had sent arrives first: counted a moment
    /// before, a call that it had yet to begin would be missing.
    pub fn allow_open_calls(&mut self, who: Who) {
        std::thread::sleep(Duration::from_millis(200));
        let pid = self.child(who).pid();
        self.allowed +=
            self.count(&format!("select count(*) from attempt where outcome = 'started' and owner like '%-{pid}-%'"));
    }
}

/// From now on a process that follows this file is off by so many seconds. It never sees half a number.
pub fn set_clock(file: &Path, seconds: i64) {
    let staged = file.with_extension("new");
    std::fs::write(&staged, seconds.to_string()).expect("the test's folder can be written");
    std::fs::rename(&staged, file).expect("the file is ours");
}
