//! A world: the processes of one script, what happens to them, and the watch over it all.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use agentwrite::ids::{OwnerId, RunId};
use agentwrite::ports::{Clock, RunState};
use agentwrite::task::Kind;
use checkpoints::memory::{Guards, MemoryStore};
use checkpoints::sqlite::SqliteStore;
use llm_simulator::{Faults, InProcess, Simulator, SimulatorConfig};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::fate::{Fate, SimClock};
use super::life::{Event, Life};
use super::model::FarModel;
use super::oracle::{Oracle, Tally};
use super::process::Parts;
use super::queue::Post;
use super::script::{Edition, Script, What};
use super::store::{Ground, Letter, Line, ShakenStore, deliver};
use super::verdict;

/// A guard that is taken away, to show that the simulation notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// Tests of the store.
    Store(Guards),
    /// Messages are acked when they are handed out.
    EarlyAck,
}

/// What became of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The first violation: the invariant, and what was seen.
    pub violation: Option<(String, String)>,
    /// What happened, counted.
    pub tally: Tally,
    /// Calls repeated after a sound answer, as the endpoint counts them.
    pub repeats: u64,
    /// Requests, as the endpoint counts them.
    pub requests: u64,
    /// SHA-256 of the published files by name.
    pub shards: BTreeMap<String, String>,
    /// Virtual milliseconds.
    pub took_ms: u64,
}

/// Plays a script over the store in memory.
pub fn run(script: &Script) -> Report {
    run_with(script, None)
}

/// Plays a script over the store in memory, with a guard taken away.
pub fn run_with(script: &Script, mutant: Option<Mutant>) -> Report {
    play(script, mutant == Some(Mutant::EarlyAck), async |_| {
        Ground::immediate(match mutant {
            Some(Mutant::Store(guards)) => MemoryStore::with_guards(guards),
            _ => MemoryStore::new(),
        })
    })
}

/// Plays a script over SQLite.
pub fn run_on_sqlite(script: &Script) -> Report {
    play(script, false, async |dir| {
        let (go, parked) = std::sync::mpsc::channel::<()>();
        drop(tokio::task::spawn_blocking(move || parked.recv()));
        let store = SqliteStore::open(&dir.join("longhand.db")).await.expect("a fresh database opens");
        drop(go);
        Ground::threaded(store)
    })
}

fn play(script: &Script, acks_early: bool, ground: impl AsyncFnOnce(PathBuf) -> Ground) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime of one thread can be built");
    let dir = folder();
    let report = runtime.block_on(async {
        let ground = ground(dir.path().to_owned()).await;
        World::new(script, ground, acks_early, dir.path().to_owned()).play().await
    });
    runtime.shutdown_timeout(Duration::from_millis(200));
    report
}

/// In memory where the system has a place for that: thousands of worlds sync thousands of small files.
fn folder() -> TempDir {
    let memory = std::path::Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a folder for temporary files")
}

/// Where the run stands apart from its processes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Due {
    Op(usize),
    Start(usize),
    Resume,
    Thaw(usize),
    Beat(usize),
    DiskFree,
    Calm,
    Watch,
}

struct Slot {
    life: Arc<Life>,
    drain: CancellationToken,
    abort: CancellationToken,
    packs: bool,
}

/// The processes of one script and all that is around them.
pub struct World {
    pub(super) script: Script,
    pub(super) line: Arc<Line>,
    pub(super) clock: Arc<SimClock>,
    pub(super) simulator: Arc<Simulator>,
    pub(super) run: RunId,
    pub(super) dir: PathBuf,
    pub(super) rows: u32,
    pub(super) replans: u32,
    acks_early: bool,
    post: Post,
    tasks: TaskTracker,
    slots: Vec<Option<Slot>>,
    /// Processes that no slot holds any more but that still live: on their way out of a re-plan.
    leaving: Vec<Slot>,
    started: u32,
    agenda: Vec<(Duration, Due)>,
    events: mpsc::UnboundedReceiver<Event>,
    tell: mpsc::UnboundedSender<Event>,
}

/// The run must be over so long after the last operation.
const PATIENCE: Duration = Duration::from_secs(5_000);
const WATCH_EVERY: Duration = Duration::from_secs(1);

impl World {
    fn new(script: &Script, ground: Ground, acks_early: bool, dir: PathBuf) -> Self {
        let (tell, events) = mpsc::unbounded_channel();
        let line = Arc::new(Line {
            oracle: Arc::new(Oracle::new(ground.is_immediate())),
            ground,
            fate: Fate::new(script.seed),
            faults: u64::from(script.store_faults),
            full: AtomicBool::new(false),
            letters: script.edition == Edition::Fleet,
        });
        let tasks = TaskTracker::new();
        let faults = Faults::all(f64::from(script.endpoint_faults) / 1000.0);
        // Without faults all worlds share one endpoint, so that their texts can be compared.
        let seed = if script.endpoint_faults == 0 { 42 } else { script.seed };
        Self {
            simulator: Simulator::new(SimulatorConfig { seed, faults, ..SimulatorConfig::default() }),
            post: Post::new(Arc::clone(&line), tasks.clone(), u64::from(script.queue_faults), acks_early),
            clock: Arc::new(SimClock::start()),
            run: RunId::new("run_simulated"),
            rows: 0,
            replans: 0,
            slots: (0..script.slots()).map(|_| None).collect(),
            leaving: Vec::new(),
            script: script.clone(),
            started: 0,
            agenda: Vec::new(),
            line,
            dir,
            acks_early,
            tasks,
            events,
            tell,
        }
    }

    async fn play(mut self) -> Report {
        self.submit().await;
        for (index, op) in self.script.ops.clone().iter().enumerate() {
            self.at(Duration::from_millis(op.at_ms), Due::Op(index));
        }
        for slot in 0..self.slots.len() {
            self.at(Duration::ZERO, Due::Start(slot));
        }
        self.at(WATCH_EVERY, Due::Watch);
        let last = self.script.ops.last().map_or(0, |op| op.at_ms);
        // Chance has its time too; then the run must come to its end.
        self.at(Duration::from_millis(last.max(8_000)), Due::Calm);
        let end = Duration::from_millis(last) + PATIENCE;
        while self.line.oracle.violation().is_none() {
            if self.is_over().await {
                verdict::at_the_end(&self).await;
                break;
            }
            if self.clock.elapsed() > end {
                let left = verdict::what_is_left(&self).await;
                self.line.oracle.violated("progress", format!("the run is not over: {left}"));
                break;
            }
            self.next().await;
        }
        self.report().await
    }

    async fn report(&self) -> Report {
        let stats = self.simulator.stats(false);
        Report {
            violation: self.line.oracle.violation(),
            tally: self.line.oracle.tally(),
            repeats: stats.repeats,
            requests: stats.requests,
            shards: verdict::shards(self).await,
            took_ms: self.clock.elapsed().as_millis() as u64,
        }
    }

    fn at(&mut self, when: Duration, due: Due) {
        self.agenda.push((when, due));
    }

    fn soon(&mut self, wait: Duration, due: Due) {
        self.at(self.clock.elapsed() + wait, due);
    }

    async fn next(&mut self) {
        // Stable: of two that are due together the one that was put down first comes first.
        self.agenda.sort_by_key(|(when, _)| *when);
        let (when, due) = self.agenda[0];
        let wait = when.saturating_sub(self.clock.elapsed());
        tokio::select! {
            biased;
            Some(event) = self.events.recv() => self.hear(event),
            () = tokio::time::sleep(wait) => {
                self.agenda.remove(0);
                self.act(due).await;
            }
        }
        if let Some((invariant, what)) = verdict::invariants(self).await {
            self.line.oracle.violated(&invariant, what);
        }
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Died(owner) => self.ended(&owner, true),
            Event::Ended(owner, wrong) => {
                if let Some(wrong) = wrong {
                    self.line.oracle.violated("process", wrong);
                }
                self.ended(&owner, false);
            }
            Event::Letter(letter) => self.post_letter(*letter),
            Event::Spinning => self.line.oracle.violated("progress", "the world spins"),
        }
    }

    fn ended(&mut self, owner: &OwnerId, dead: bool) {
        self.leaving.retain(|slot| slot.life.owner != *owner);
        for index in 0..self.slots.len() {
            if self.slots[index].as_ref().is_some_and(|slot| slot.life.owner == *owner) {
                self.slots[index] = None;
                let wait = 20 + self.line.fate.below("start again", if dead { 3_000 } else { 500 });
                self.soon(Duration::from_millis(wait), Due::Start(index));
            }
        }
    }

    /// Half of what the dead had sent still arrives, much of it late.
    fn post_letter(&mut self, letter: Letter) {
        let fate = &self.line.fate;
        if fate.below("letter arrives", 2) == 0 {
            return;
        }
        let most = [50, 3_000, 15_000][fate.below("letter's way", 3) as usize];
        let wait = Duration::from_millis(fate.below("letter's time", most));
        let line = Arc::clone(&self.line);
        self.tasks.spawn(async move {
            tokio::time::sleep(wait).await;
            line.oracle.letter();
            deliver(&line, letter).await;
        });
    }

    async fn act(&mut self, due: Due) {
        match due {
            Due::Op(index) => {
                let what = self.script.ops[index].what.clone();
                self.happen(&what).await;
            }
            Due::Start(index) => self.start(index).await,
            Due::Resume => self.resume().await,
            Due::Thaw(index) => {
                for slot in self.slots[index].iter().chain(&self.leaving) {
                    slot.life.freeze(false);
                }
            }
            Due::Beat(index) => {
                if let Some(slot) = &self.slots[index] {
                    slot.life.mute(false);
                }
            }
            Due::DiskFree => self.line.full.store(false, Ordering::Relaxed),
            Due::Calm => self.line.fate.calm_down(),
            Due::Watch => {
                // Every second while much happens, then less and less often.
                let wait = WATCH_EVERY.max(self.clock.elapsed() / 10);
                self.soon(wait, Due::Watch);
            }
        }
    }

    async fn happen(&mut self, what: &What) {
        let ms = |ms: &u64| Duration::from_millis(*ms);
        match what {
            What::Crash { slot } => self.with(*slot, |slot| slot.life.die()),
            What::CrashAt { slot, point, nth } => self.with(*slot, |slot| slot.life.set_trap(point, *nth)),
            What::Stop { slot } => self.with(*slot, |slot| slot.drain.cancel()),
            What::Abort { slot } => {
                let oracle = Arc::clone(&self.line.oracle);
                self.with(*slot, |slot| {
                    oracle.aborted(&slot.life.owner);
                    slot.drain.cancel();
                    slot.abort.cancel();
                });
            }
            What::Freeze { slot, for_ms } => {
                self.with(*slot, |slot| slot.life.freeze(true));
                self.soon(ms(for_ms), Due::Thaw(*slot));
            }
            What::LoseHeartbeat { slot, for_ms } => {
                self.with(*slot, |slot| slot.life.mute(true));
                self.soon(ms(for_ms), Due::Beat(*slot));
            }
            What::DiskFull { for_ms } => {
                self.line.full.store(true, Ordering::Relaxed);
                self.soon(ms(for_ms), Due::DiskFree);
            }
            What::JumpClock { by_ms } => self.clock.jump(*by_ms),
            What::WipeQueue => self.post.wipe(&[Kind::PLAN, Kind::SECTION]).await,
            What::Pause { for_ms } => {
                self.pause().await;
                self.soon(ms(for_ms), Due::Resume);
            }
            What::Cancel => self.cancel().await,
            What::Retry { from_section, model } => self.retry(*from_section, *model).await,
            What::Concurrency { slots } => self.resize(*slots).await,
            // Rows that are added to a cancelled run wait for a retry that never names them.
            What::Add { .. } if self.state().await == RunState::Cancelled => {}
            What::Add { rows } => self.add(*rows).await,
            What::Replan { for_ms } => {
                for slot in self.slots.iter_mut().filter_map(Option::take) {
                    slot.life.freeze(true);
                    slot.drain.cancel();
                    self.leaving.push(slot);
                }
                self.replan().await;
                self.soon(ms(for_ms), Due::Thaw(0));
            }
        }
        self.wake();
    }

    fn with(&self, slot: usize, act: impl FnOnce(&Slot)) {
        if let Some(slot) = self.slots.get(slot).and_then(Option::as_ref) {
            act(slot);
        }
    }

    /// Starts what an operator's wish made possible again.
    pub(super) fn wake(&mut self) {
        for index in 0..self.slots.len() {
            let due = self.agenda.iter().any(|(_, due)| *due == Due::Start(index));
            if self.slots[index].is_none() && !due {
                self.soon(Duration::from_millis(50), Due::Start(index));
            }
        }
    }

    async fn start(&mut self, index: usize) {
        if self.slots[index].is_some() || !self.has_work().await {
            return;
        }
        if self.state().await == RunState::Paused {
            self.soon(Duration::from_millis(800), Due::Resume);
            return;
        }
        if index == 0 && self.leaving.iter().any(|slot| slot.packs) {
            // One packer at a time works on a folder.
            self.soon(Duration::from_millis(500), Due::Start(index));
            return;
        }
        self.started += 1;
        let owner = OwnerId::new(format!("own_{index}_{}", self.started));
        let life = Arc::new(Life::start(owner, Arc::clone(&self.line.oracle), self.tell.clone()));
        if self.script.edition == Edition::Embedded {
            // The queue died with its process.
            let faults = u64::from(self.script.queue_faults);
            self.post = Post::new(Arc::clone(&self.line), self.tasks.clone(), faults, self.acks_early);
        }
        let (drain, abort) = (CancellationToken::new(), CancellationToken::new());
        let parts = Parts {
            store: ShakenStore { line: Arc::clone(&self.line), life: Arc::clone(&life) },
            queue: Arc::new(self.post.of(&life)),
            model: Arc::new(FarModel {
                endpoint: InProcess::new(Arc::clone(&self.simulator), Duration::from_secs(2)),
                line: Arc::clone(&self.line),
                life: Arc::clone(&life),
                latency_ms: self.script.latency_ms,
            }),
            clock: Arc::clone(&self.clock),
            seed: self.script.seed,
            run: self.run.clone(),
            dir: self.dir.clone(),
            packs: index == 0,
            alone: self.script.edition == Edition::Embedded,
            life: Arc::clone(&life),
            drain: drain.clone(),
            abort: abort.clone(),
        };
        let lived = Arc::clone(&life);
        self.tasks.spawn(async move {
            let ended = parts.live().await;
            lived.tell(Event::Ended(lived.owner.clone(), ended.err()));
        });
        self.slots[index] = Some(Slot { life, drain, abort, packs: index == 0 });
    }

    pub(super) async fn state(&self) -> RunState {
        let run = self.line.ground.wait(self.line.ground.store().run(&self.run)).await;
        run.expect("the store below the faults answers").expect("the run was submitted").state
    }

    /// Whether a process that starts now has anything to do.
    async fn has_work(&self) -> bool {
        match self.state().await {
            RunState::Pending | RunState::Running | RunState::Paused => true,
            RunState::Done | RunState::Failed | RunState::Cancelled => !verdict::all_is_packed(self).await,
        }
    }

    async fn is_over(&self) -> bool {
        let quiet = self.slots.iter().all(Option::is_none) && self.leaving.is_empty();
        let waits = |due: &Due| {
            !matches!(due, Due::Watch | Due::Thaw(_) | Due::Beat(_) | Due::DiskFree | Due::Calm | Due::Resume)
        };
        quiet && !self.agenda.iter().any(|(_, due)| waits(due)) && !self.has_work().await
    }

    pub(super) fn now(&self) -> agentwrite::ids::Timestamp {
        self.clock.now()
    }
}
