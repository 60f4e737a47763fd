//! The runs: intake, control, the end.

use agentwrite::config::{Limits, Mode, RunConfig};
use agentwrite::failure::ErrorCode;
use agentwrite::ids::RunId;
use agentwrite::ports::{Added, Control, PackStore, Range, ReportStore, RunState, RunStore};
use agentwrite::sample::SampleState;

use crate::Fixture;
use crate::material::{input, sharded, text};
use crate::scene::Scene;

/// Creating a run twice returns the one that is there, as it was created.
pub async fn creating_a_run_is_repeatable<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    let id = RunId::new("run_x");
    let now = agentwrite::ids::Timestamp(5_000);
    let limits = Limits { rpm: Some(30), ..Limits::default() };
    assert_eq!(store.run(&id).await.expect("run"), None);
    let first = store.create_run(&id, "first", &sharded(7), &limits, now).await.expect("create_run");
    assert_eq!((first.state, first.config_version, first.samples), (RunState::Pending, 1, 0));
    assert_eq!((first.config.shard_size, first.limits, first.created_at), (7, limits, now));
    let later = agentwrite::ids::Timestamp(9_000);
    let second = store.create_run(&id, "second", &sharded(8), &Limits::default(), later).await.expect("create_run");
    assert_eq!(second, first);
    assert_eq!(store.run(&id).await.expect("run"), Some(first));
}

/// Runs are listed newest first.
pub async fn runs_are_listed_newest_first<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    for (name, at) in [("run_1", 1), ("run_3", 3), ("run_2", 2)] {
        let at = agentwrite::ids::Timestamp(at);
        store.create_run(&RunId::new(name), name, &RunConfig::default(), &Limits::default(), at).await.expect("create");
    }
    let runs = store.runs().await.expect("runs");
    let names: Vec<&str> = runs.iter().map(|run| run.name.as_str()).collect();
    assert_eq!(names, ["run_3", "run_2", "run_1"]);
}

/// Samples get the next ordinals in their order; a row whose key is there already adds nothing and moves nothing.
pub async fn samples_get_the_next_ordinals<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 2).await;
    let mut renamed = input(1);
    renamed.id = Some("another-id".to_owned());
    let rows = [(input(3), 1), (renamed, 1), (input(2), 1), (input(3), 1)];
    let added = scene.store.add_samples(&scene.run, &rows, scene.tick()).await.expect("add_samples");
    assert_eq!(added, Added { added: 2, present: 2 });
    for (index, ordinal) in [(0, 0), (1, 1), (3, 2), (2, 3)] {
        assert_eq!(scene.detail(index).await.row.ordinal, ordinal);
    }
    assert_eq!(scene.detail(1).await.row.id.as_deref(), Some("row-1"));
    assert_eq!(scene.view().await.samples, 4);
    let keys = scene.store.sample_keys(&scene.run).await.expect("sample_keys");
    assert_eq!(keys, [0, 1, 3, 2].map(|index| input(index).key()));
    assert_eq!(scene.totals().await.state(SampleState::Pending), 4);
    scene.sound().await;
}

/// A pending run gives no claims; starting it makes it running, and starting it again changes nothing.
pub async fn starting_ends_the_intake<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    let id = RunId::new("run_x");
    let now = agentwrite::ids::Timestamp(1);
    store.create_run(&id, "x", &RunConfig::default(), &Limits::default(), now).await.expect("create_run");
    store.add_samples(&id, &[(input(0), 3)], now).await.expect("add_samples");
    assert_eq!(store.finish_run(&id, now).await.expect("finish_run"), RunState::Pending);
    for _ in 0..2 {
        store.start_run(&id, now).await.expect("start_run");
        assert_eq!(store.run(&id).await.expect("run").expect("there").state, RunState::Running);
    }
}

/// Pause, resume: with their reason, their action and a new epoch; a wish that does not fit changes nothing.
pub async fn pausing_and_resuming_are_written_down<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let epoch = scene.view().await.control_epoch;
    let paused = scene.control(Control::Pause { reason: "budget".to_owned() }).await;
    assert_eq!((paused.state, paused.reason.as_deref()), (RunState::Paused, Some("budget")));
    let again = scene.control(Control::Pause { reason: "user".to_owned() }).await;
    assert_eq!(again, paused, "a paused run cannot be paused");
    let resumed = scene.control(Control::Resume).await;
    assert_eq!((resumed.state, resumed.reason.as_deref()), (RunState::Running, None));
    assert!(paused.control_epoch > epoch && resumed.control_epoch > paused.control_epoch);
    assert_eq!(scene.control(Control::Resume).await, resumed, "a running run cannot be resumed");
    let actions = scene.store.actions(&scene.run).await.expect("actions");
    let names: Vec<&str> = actions.iter().map(|action| action.action.as_str()).collect();
    assert_eq!(names, ["pause", "resume"]);
    assert!(actions.iter().all(|action| action.who == "operator"));
    assert!(actions[0].before.contains("running") && actions[0].after.contains("budget"), "{actions:?}");
    assert!(actions[0].at < actions[1].at);
}

/// Cancelling is for good: unfinished samples are cancelled, their tasks dropped; written ones keep their way to a shard.
pub async fn cancelling_stops_for_good<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 5).await;
    scene.written(0, 1).await;
    scene.failed(1, ErrorCode::PlanEmpty).await;
    scene.planned(2, 2).await;
    let task = scene.writing(3, 2).await;
    let run = scene.control(Control::Cancel).await;
    assert_eq!(run.state, RunState::Cancelled);
    let mut states = Vec::new();
    for index in 0..5 {
        states.push(scene.state(index).await.as_str());
    }
    assert_eq!(states, ["written", "failed", "cancelled", "cancelled", "cancelled"]);
    assert_eq!(scene.detail(4).await.row.code.as_deref(), Some("cancelled"));
    assert_eq!(scene.try_claim(&task.key).await, None);
    scene.sound().await;
    assert_eq!(scene.control(Control::Resume).await.state, RunState::Cancelled);
    assert_eq!(scene.control(Control::Cancel).await, scene.view().await);
    assert_eq!(scene.store.actions(&scene.run).await.expect("actions").len(), 1);
}

/// Limits change at any time; a runner sees it by the epoch.
pub async fn limits_change_at_any_time<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let before = scene.view().await;
    let limits = Limits { concurrency: 3, max_cost_nanousd: Some(9), ..Limits::default() };
    let after = scene.control(Control::Limits(limits)).await;
    assert_eq!((after.limits, after.state), (limits, RunState::Running));
    assert!(after.control_epoch > before.control_epoch);
    scene.control(Control::Cancel).await;
    assert_eq!(scene.control(Control::Limits(Limits::default())).await.limits, Limits::default());
}

/// A new configuration is a new version; ranges of ordinals were fixed at intake, so the shard size stays.
pub async fn configuring_makes_a_version<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::with(fixture.store(), "run_x", &sharded(2), &Limits::default(), 3).await;
    let mut config = sharded(50);
    config.text.mode = Mode::Parallel;
    let run = scene.control(Control::Configure(Box::new(config))).await;
    assert_eq!((run.config_version, run.config.text.mode, run.config.shard_size), (2, Mode::Parallel, 2));
    scene.add(3..5).await;
    for index in 0..5 {
        scene.failed(index, ErrorCode::PlanEmpty).await;
    }
    let ranges = scene.store.closable(&scene.run).await.expect("closable");
    assert_eq!(ranges, [Range::Main(0), Range::Main(1), Range::Main(2)]);
}

/// No wish reaches a run that is not there.
pub async fn an_unknown_run_cannot_be_controlled<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let unknown = RunId::new("run_unknown");
    let answer = scene.store.control(&unknown, "operator", &Control::Cancel, scene.tick()).await.expect("control");
    assert_eq!(answer, None);
    assert_eq!(scene.store.sample_keys(&unknown).await.expect("sample_keys"), []);
}

/// A run is done once every sample is terminal and every range published, and not before.
pub async fn a_run_is_done_when_all_is_published<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::with(fixture.store(), "run_x", &sharded(2), &Limits::default(), 3).await;
    let state = async || scene.store.finish_run(&scene.run, scene.tick()).await.expect("finish_run");
    scene.judged(0, 1).await;
    scene.failed(1, ErrorCode::PlanEmpty).await;
    assert_eq!(state().await, RunState::Running, "a sample is pending");
    scene.failed(2, ErrorCode::PlanEmpty).await;
    assert_eq!(state().await, RunState::Running, "a sample is written");
    let shard = scene.store.close_range(&scene.run, Range::Main(0), &[], scene.tick()).await.expect("close_range");
    let fence = shard.expect("closable").fence;
    assert_eq!(state().await, RunState::Running, "ranges are open");
    scene.store.close_range(&scene.run, Range::Main(1), &[], scene.tick()).await.expect("close_range");
    assert_eq!(state().await, RunState::Running, "a shard is not published");
    let now = scene.tick();
    assert!(scene.store.publish_shard(&scene.run, Range::Main(0), fence, 1, &[], now).await.expect("publish_shard"));
    assert_eq!(state().await, RunState::Done);
    assert_eq!(state().await, RunState::Done, "repeatable");
    assert_eq!(scene.view().await.state, RunState::Done);
    assert_eq!(scene.control(Control::Resume).await.state, RunState::Done);
    scene.sound().await;
}

/// A paused or cancelled run is never done by itself.
pub async fn only_a_running_run_is_done<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 0).await;
    scene.pause().await;
    assert_eq!(scene.store.finish_run(&scene.run, scene.tick()).await.expect("finish_run"), RunState::Paused);
    scene.control(Control::Resume).await;
    assert_eq!(scene.store.finish_run(&scene.run, scene.tick()).await.expect("finish_run"), RunState::Done);
}

/// A done run to which rows were added goes on; rows of a range that is closed go to a supplementary one (I7), and are
/// packed there.
pub async fn appended_rows_reopen_a_done_run<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::with(fixture.store(), "run_x", &sharded(4), &Limits::default(), 2).await;
    scene.failed(0, ErrorCode::PlanEmpty).await;
    scene.failed(1, ErrorCode::PlanEmpty).await;
    scene.store.close_range(&scene.run, Range::Main(0), &[], scene.tick()).await.expect("close_range");
    let done = scene.store.finish_run(&scene.run, scene.tick()).await.expect("finish_run");
    assert_eq!(done, RunState::Done, "an empty range waits for no files");
    scene.store.start_run(&scene.run, scene.tick()).await.expect("start_run");
    assert_eq!(scene.view().await.state, RunState::Done, "nothing was added");
    scene.add(1..5).await;
    scene.store.start_run(&scene.run, scene.tick()).await.expect("start_run");
    assert_eq!(scene.view().await.state, RunState::Running);
    for index in 2..5 {
        scene.judged(index, 1).await;
    }
    let ranges = scene.store.closable(&scene.run).await.expect("closable");
    assert_eq!(ranges, [Range::Main(1), Range::Supplement(1)]);
    let shard = scene.store.close_range(&scene.run, Range::Supplement(1), &[], scene.tick()).await;
    let members = shard.expect("close_range").expect("closable").members;
    assert_eq!(members, [2, 3].map(crate::material::sample), "ordinals 2 and 3 lay in the closed range");
    scene.sound().await;
}

/// What came for a sample before the pause is recorded during it, and the run goes on where it stood.
pub async fn a_pause_costs_nothing<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = Scene::of(fixture.store(), 1).await;
    let task = scene.writing(0, 2).await;
    scene.pause().await;
    scene.accept(&scene.section_result(&task, &text(0, 0)).await).await;
    scene.control(Control::Resume).await;
    let next = scene.claim(&scene.section_key(0, 1)).await;
    scene.write_from(0, next).await;
    assert_eq!(scene.state(0).await, SampleState::Written);
    assert_eq!(scene.totals().await.calls, 3);
    scene.sound().await;
}
