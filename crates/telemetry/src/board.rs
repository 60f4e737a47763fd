//! How things stand now, for gauges. A gauge is computed when somebody looks: from a guard that the work itself holds, from
//! what the store or the broker said a moment ago, or by asking the owner. Nothing is added here and subtracted there, so
//! nothing can be left behind.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use agentwrite::ids::RunId;
use agentwrite::ports::{RunState, RunView};

/// How long the last look at a run that has ended is shown: a scrape or two.
const ENDED_FOR: Duration = Duration::from_secs(120);
/// A paused run is told of every ten seconds by every process that would plan it; when it goes on, it is soon forgotten here.
const PAUSED_FOR: Duration = Duration::from_secs(30);
/// What was said of a run or a queue is no news after this.
const NEWS_FOR: Duration = Duration::from_secs(60);

/// A training job as its trainer sees it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TrainingView {
    /// The job.
    pub job: String,
    /// What the trainer is doing.
    pub phase: &'static str,
    /// The round, from 1.
    pub round: u32,
    /// Shards of the rounds' data that it trains on now.
    pub shards: u64,
    /// Optimizer steps done, of all rounds.
    pub step: u64,
    /// Optimizer steps up to the end of this round, once that is known.
    pub steps: Option<u64>,
    /// Step of the last checkpoint, of all rounds.
    pub checkpoint: Option<u64>,
    /// The last step's loss.
    pub loss: Option<f64>,
    /// The last step's rate.
    pub learning_rate: Option<f64>,
    /// Tokens trained in the round.
    pub tokens: u64,
    /// Tokens a second.
    pub tokens_per_second: Option<f64>,
    /// Peak memory of the busiest device, in bytes.
    pub memory_bytes: Option<u64>,
    /// Starts of the backend, over the whole job.
    pub sessions: u32,
    /// Steps that were done again, over the whole job.
    pub redone_steps: u64,
}

/// An endpoint as its process sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointView {
    /// Its name.
    pub endpoint: String,
    /// Calls in flight.
    pub calls: u32,
    /// Whether it may be called.
    pub open: bool,
}

/// A queue as the broker sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueView {
    /// The kind of its tasks.
    pub kind: String,
    /// Messages that wait.
    pub ready: u64,
    /// Consumers.
    pub consumers: u64,
}

/// Asks for the number of slots.
pub(crate) type CountSlots = Box<dyn Fn() -> u32 + Send + Sync>;
/// Asks how endpoints stand.
pub(crate) type ViewEndpoints = Box<dyn Fn() -> Vec<EndpointView> + Send + Sync>;
/// Asks how a training job stands.
pub(crate) type ViewTraining = Box<dyn Fn() -> TrainingView + Send + Sync>;

/// Everything that gauges show.
#[derive(Default)]
pub(crate) struct Board {
    tries: Mutex<Tries>,
    runs: Mutex<HashMap<RunId, Shown>>,
    slots: Mutex<Vec<(String, CountSlots)>>,
    endpoints: Mutex<Vec<ViewEndpoints>>,
    queues: Mutex<Option<(Instant, Vec<QueueView>, u64)>>,
    trainings: Mutex<Trainings>,
}

#[derive(Default)]
struct Trainings {
    last: u64,
    at_work: HashMap<u64, ViewTraining>,
}

#[derive(Default)]
struct Tries {
    last: u64,
    open: HashMap<u64, (String, Instant)>,
}

struct Shown {
    view: Option<RunView>,
    told: Instant,
    /// Planners of this process that hold it.
    planners: u32,
}

impl Shown {
    /// How long it is shown without a planner.
    fn lasts(&self) -> Duration {
        let paused = self.view.as_ref().is_some_and(|view| view.state == RunState::Paused);
        if paused { PAUSED_FOR } else { ENDED_FOR }
    }
}

/// A try in work, for as long as this lives.
pub(crate) struct OpenTry {
    board: Arc<Board>,
    number: u64,
}

/// A run that this process plans, for as long as this lives.
pub(crate) struct PlannedRun {
    board: Arc<Board>,
    run: RunId,
}

/// A training job at work, for as long as this lives.
pub struct ShownTraining(Option<(Arc<Board>, u64)>);

impl ShownTraining {
    /// Nobody looks.
    pub(crate) fn nobody() -> Self {
        Self(None)
    }
}

impl Drop for ShownTraining {
    fn drop(&mut self) {
        if let Some((board, number)) = &self.0 {
            lock(&board.trainings).at_work.remove(number);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each holder makes one change: a panic cannot leave it half made.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Board {
    pub(crate) fn begin(self: &Arc<Self>, stage: &str) -> OpenTry {
        let mut tries = lock(&self.tries);
        tries.last += 1;
        let number = tries.last;
        tries.open.insert(number, (stage.to_owned(), Instant::now()));
        OpenTry { board: Arc::clone(self), number }
    }

    pub(crate) fn plans(self: &Arc<Self>, run: &RunId) -> PlannedRun {
        let mut runs = lock(&self.runs);
        let shown = runs.entry(run.clone()).or_insert_with(|| Shown { view: None, told: Instant::now(), planners: 0 });
        shown.planners += 1;
        PlannedRun { board: Arc::clone(self), run: run.clone() }
    }

    pub(crate) fn counted(&self, run: &RunId, view: RunView) {
        let mut runs = lock(&self.runs);
        let now = Instant::now();
        // Of other runs than paused ones whoever plans them tells.
        if view.state == RunState::Paused {
            runs.entry(run.clone()).or_insert(Shown { view: None, told: now, planners: 0 });
        }
        if let Some(shown) = runs.get_mut(run) {
            (shown.view, shown.told) = (Some(view), now);
        }
    }

    /// A training job is at work.
    pub(crate) fn trains(self: &Arc<Self>, view: ViewTraining) -> ShownTraining {
        let mut trainings = lock(&self.trainings);
        trainings.last += 1;
        let number = trainings.last;
        trainings.at_work.insert(number, view);
        ShownTraining(Some((Arc::clone(self), number)))
    }

    /// Training jobs at work.
    pub(crate) fn trainings(&self) -> Vec<TrainingView> {
        lock(&self.trainings).at_work.values().map(|view| view()).collect()
    }

    pub(crate) fn show_slots(&self, stage: &str, slots: CountSlots) {
        lock(&self.slots).push((stage.to_owned(), slots));
    }

    pub(crate) fn show_endpoints(&self, endpoints: ViewEndpoints) {
        lock(&self.endpoints).push(endpoints);
    }

    pub(crate) fn show_queues(&self, queues: Vec<QueueView>, dead_letters: u64) {
        *lock(&self.queues) = Some((Instant::now(), queues, dead_letters));
    }

    /// Runs that this process plans, or planned until a moment ago.
    pub(crate) fn runs(&self) -> Vec<(RunId, RunView)> {
        let mut runs = lock(&self.runs);
        runs.retain(|_, shown| shown.planners > 0 || shown.told.elapsed() < shown.lasts());
        let fresh = runs.iter().filter(|(_, shown)| shown.planners == 0 || shown.told.elapsed() < NEWS_FOR);
        fresh.filter_map(|(run, shown)| Some((run.clone(), shown.view.clone()?))).collect()
    }

    /// Of each stage: busy slots, slots in all.
    pub(crate) fn slots(&self) -> Vec<(String, u64, u64)> {
        let slots: Vec<(String, u64)> =
            lock(&self.slots).iter().map(|(stage, slots)| (stage.clone(), u64::from(slots()))).collect();
        let tries = lock(&self.tries);
        slots.into_iter().map(|(stage, all)| (stage.clone(), busy(&tries, &stage), all)).collect()
    }

    /// Of each stage the age of the oldest try in work.
    pub(crate) fn oldest(&self) -> Vec<(String, f64)> {
        let stages: Vec<String> = lock(&self.slots).iter().map(|(stage, _)| stage.clone()).collect();
        let tries = lock(&self.tries);
        let age = |stage: &str| {
            let of_stage = tries.open.values().filter(|(own, _)| is_of(own, stage));
            of_stage.map(|(_, since)| since.elapsed().as_secs_f64()).fold(0.0, f64::max)
        };
        stages.into_iter().map(|stage| (stage.clone(), age(&stage))).collect()
    }

    /// All endpoints; of one that several pools share, one view.
    pub(crate) fn endpoints(&self) -> Vec<EndpointView> {
        let mut all: Vec<EndpointView> = lock(&self.endpoints).iter().flat_map(|views| views()).collect();
        all.sort_by(|a, b| a.endpoint.cmp(&b.endpoint));
        all.dedup_by(|a, b| a.endpoint == b.endpoint);
        all
    }

    /// Queues and dead letters, if the broker was asked lately.
    pub(crate) fn queues(&self) -> Option<(Vec<QueueView>, u64)> {
        let queues = lock(&self.queues);
        let (told, queues, dead) = queues.as_ref()?;
        (told.elapsed() < NEWS_FOR).then(|| (queues.clone(), *dead))
    }
}

/// Slots may be those of one kind of task, or of all that a process works on.
fn is_of(own: &str, stage: &str) -> bool {
    stage == ALL_STAGES || own == stage
}

fn busy(tries: &Tries, stage: &str) -> u64 {
    tries.open.values().filter(|(own, _)| is_of(own, stage)).count() as u64
}

/// The stage of slots that take tasks of any kind.
pub(crate) const ALL_STAGES: &str = "all";

impl Drop for OpenTry {
    fn drop(&mut self) {
        lock(&self.board.tries).open.remove(&self.number);
    }
}

impl Drop for PlannedRun {
    fn drop(&mut self) {
        let mut runs = lock(&self.board.runs);
        let Some(shown) = runs.get_mut(&self.run) else { return };
        shown.planners -= 1;
        let goes_on = shown.view.as_ref().is_none_or(|view| view.state == agentwrite::ports::RunState::Running);
        // A run that goes on is another process's now, which shows it; how one ended is shown a little longer.
        if shown.planners == 0 && goes_on {
            runs.remove(&self.run);
        }
    }
}

#[cfg(test)]
mod tests {
    use agentwrite::config::Limits;
    use agentwrite::ports::Totals;

    use super::*;

    fn view(state: RunState) -> RunView {
        RunView { state, reason: None, totals: Totals::default(), limits: Limits::default() }
    }

    #[test]
    fn what_is_in_work_is_what_somebody_holds() {
        let board = Arc::<Board>::default();
        board.show_slots("section", Box::new(|| 4));
        board.show_slots(ALL_STAGES, Box::new(|| 9));
        let (first, _plan) = (board.begin("section"), board.begin("plan"));
        assert_eq!(board.slots(), [("section".to_owned(), 1, 4), (ALL_STAGES.to_owned(), 2, 9)]);
        let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _held = first;
            panic!("a try that ends in a panic");
        }));
        assert!(unwound.is_err());
        assert_eq!(board.slots()[0].1, 0);
        assert!(board.oldest()[0].1 <= 0.0);
    }

    #[test]
    fn a_run_is_shown_by_who_plans_it_and_its_end_a_little_longer() {
        let board = Arc::<Board>::default();
        let run = RunId::new("run_a");
        board.counted(&run, view(RunState::Running));
        assert!(board.runs().is_empty(), "nobody plans it here");
        let planned = board.plans(&run);
        board.counted(&run, view(RunState::Running));
        assert_eq!(board.runs().len(), 1);
        drop(planned);
        assert!(board.runs().is_empty(), "another process plans it now");
        let planned = board.plans(&run);
        board.counted(&run, view(RunState::Done));
        drop(planned);
        assert_eq!(board.runs()[0].1.state, RunState::Done);
    }

    #[test]
    fn a_paused_run_is_shown_while_somebody_says_so() {
        let board = Arc::<Board>::default();
        let run = RunId::new("run_a");
        let paused = RunView { reason: Some("budget".to_owned()), ..view(RunState::Paused) };
        board.counted(&run, paused);
        assert_eq!(board.runs()[0].1.reason.as_deref(), Some("budget"), "also by a process that never planned it");
        let age = |by: Duration| {
            let mut runs = lock(&board.runs);
            let told = &mut runs.get_mut(&run).unwrap().told;
            *told = told.checked_sub(by).unwrap();
        };
        age(PAUSED_FOR / 2);
        assert_eq!(board.runs().len(), 1);
        age(PAUSED_FOR);
        assert!(board.runs().is_empty(), "it goes on elsewhere, or has ended");
    }

    #[test]
    fn a_training_job_is_shown_while_it_is_at_work() {
        let board = Arc::<Board>::default();
        let shown = board.trains(Box::new(|| TrainingView { job: "trn_a".to_owned(), ..TrainingView::default() }));
        assert_eq!(board.trainings()[0].job, "trn_a");
        drop(shown);
        assert!(board.trainings().is_empty());
    }
}
