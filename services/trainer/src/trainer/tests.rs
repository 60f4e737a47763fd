//! The loop over the store in memory, with shell scripts for backends. The whole of it, with kills, is tested end to end in
//! `services/longhand/tests/e2e/training`.

use std::fs;
use std::path::PathBuf;

use checkpoints::memory::MemoryStore;
use serde_json::Map;

use super::unrecorded::newest_unrecorded;
use super::*;
use crate::source::{FileSource, Sources};
use crate::spec::{SourceSpec, TrainingKind};

/// Real time, as the scripts have it.
struct Clock(std::time::Instant);

impl agentwrite::ports::Clock for Clock {
    fn now(&self) -> Timestamp {
        Timestamp(1_000 + self.0.elapsed().as_millis() as i64)
    }
}

struct Scene {
    folder: tempfile::TempDir,
    store: Arc<MemoryStore>,
    stop: CancellationToken,
}

impl Scene {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data.jsonl");
        fs::write(&data, "{\"a\": 1}\n{\"a\": 2}\n").unwrap();
        let scene = Self { folder, store: Arc::new(MemoryStore::new()), stop: CancellationToken::new() };
        let mut recipe = Map::new();
        recipe.insert("base_model".to_owned(), json!("base"));
        recipe.insert("epochs".to_owned(), json!(1));
        let spec = TrainingSpec {
            kind: TrainingKind::Sft,
            sources: vec![SourceSpec::File(data)],
            general: Vec::new(),
            stream: None,
            out: scene.out(),
            recipe,
        };
        scene.store.create_training(&job(), &serde_json::to_value(spec).unwrap(), Timestamp(0)).await.unwrap();
        scene
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    /// A trainer whose backend is this script; `$R` is its recipe.
    fn trainer(&self, owner: &str, script: &str) -> Trainer {
        let (standing, _) = watch::channel(Standing::default());
        let data = self.folder.path().join("data.jsonl");
        let parts = TrainerParts {
            store: Arc::clone(&self.store) as Arc<dyn Store>,
            source: Arc::new(Sources::new(vec![Arc::new(FileSource::new(data))])),
            cache: Cache::new(self.out().join("cache"), 1 << 20),
            clock: Arc::new(Clock(std::time::Instant::now())),
            bell: Arc::new(Notify::new()),
            standing,
        };
        let script = format!("R={{recipe}}\n{script}");
        let settings = TrainerSettings {
            job: job(),
            owner: OwnerId::new(owner),
            leases: LeaseTimes {
                lease: Duration::from_millis(400),
                heartbeat: Duration::from_millis(50),
                rescue: Duration::from_secs(1),
            },
            backend: BackendSettings {
                command: vec!["sh".to_owned(), "-c".to_owned(), script],
                silence: Duration::from_secs(20),
                stop_grace: Duration::from_secs(5),
                restarts: 2,
                restart_pause: Duration::ZERO,
                hidden: Vec::new(),
            },
            machine: Map::new(),
            stop: self.stop.clone(),
            abort: CancellationToken::new(),
            serves: false,
        };
        Trainer::new(parts, settings, &self.out()).unwrap()
    }

    async fn view(&self) -> TrainingView {
        self.store.training(&job()).await.unwrap().unwrap()
    }

    fn name(&self) -> String {
        self.folder.path().join("data.jsonl").display().to_string()
    }
}

fn job() -> TrainingId {
    TrainingId::new("trn_a")
}

/// A stand-in need not say more than `done`.
#[tokio::test]
async fn a_backend_that_only_says_done_is_enough() {
    let scene = Scene::new().await;
    let event = done_event(&scene.name());
    fs::write(scene.folder.path().join("done"), event).unwrap();
    let script = format!("cat {}/done", scene.folder.path().display());
    let outcome = scene.trainer("a", &script).run().await.unwrap();
    let Outcome::Registered(model) = outcome else { panic!("{outcome:?}") };
    assert_eq!((&model["step"], &model["passes"][0]["checkpoint"]), (&json!(2), &json!(1)));
    assert_eq!(scene.view().await.training.model, Some(model.clone()));
    assert_eq!(serde_json::from_slice::<Value>(&fs::read(scene.out().join(MODEL_FILE)).unwrap()).unwrap(), model);
    assert_eq!(scene.trainer("b", "exit 1").run().await.unwrap(), Outcome::Already(model));
}

fn done_event(name: &str) -> String {
    let done = json!({
        "schema": 1, "event": "done", "steps": 2, "model_path": null, "checkpoint": "/c/2",
        "losses": {"first": 2.0, "last": 1.0}, "shards": [{"name": name, "epoch": 1}],
    });
    format!("{done}\n")
}

/// One that says it is done without having gone through the data is not believed.
#[tokio::test]
async fn a_backend_that_left_a_shard_out_is_refused() {
    let scene = Scene::new().await;
    fs::write(scene.folder.path().join("done"), done_event("another")).unwrap();
    let script = format!("cat {}/done", scene.folder.path().display());
    let error = scene.trainer("a", &script).run().await.unwrap_err();
    assert_eq!(error.code(), "backend_incomplete");
    let training = scene.view().await.training;
    assert_eq!((training.reason.as_deref(), training.model), (Some("backend_incomplete"), None));
}

/// Whoever lost the job ends its backend and writes nothing more.
#[tokio::test]
async fn a_trainer_that_lost_its_job_ends_its_backend() {
    let scene = Scene::new().await;
    let trainer = scene.trainer("a", "echo $$ > $(dirname $R)/pid; while :; do echo working; sleep 0.05; done");
    let pid = scene.out().join("rounds/00001/pid");
    let usurp = async {
        while !pid.is_file() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // Its lease is renewed, so only its own owner may take the job now.
        let take = async |owner: &str| {
            let (owner, lease) = (OwnerId::new(owner), Duration::from_secs(60));
            scene.store.take_training(&job(), &owner, lease, Timestamp(1_000)).await.unwrap()
        };
        assert_eq!(take("b").await, None);
        take("a").await.expect("its own")
    };
    let (outcome, fence) = tokio::join!(trainer.run(), usurp);
    assert_eq!(outcome.unwrap_err().code(), "lease_lost");
    let id: u32 = fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
    assert!(!Path::new(&format!("/proc/{id}")).exists(), "its backend is gone");
    let view = scene.view().await;
    assert_eq!((view.training.state, view.training.held.is_some()), (agentwrite::ports::TrainingState::Running, true));
    assert!(scene.store.give_back_training(&job(), fence, &TrainingEnd::Released, Timestamp(2_000)).await.unwrap());
}

/// A checkpoint that was written and never recorded is found, if it is whole and of the frozen order.
#[test]
fn an_unrecorded_checkpoint_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let write = |step: u64, order: &str, bytes: usize| {
        let path = folder.path().join(format!("step-{step:08}"));
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("weights"), "12345").unwrap();
        let index = json!({
            "schema": 1, "step": step, "order_sha256": order, "shards": [{"name": "a", "epoch": 1}],
            "files": {"weights": {"bytes": bytes, "sha256": "x"}},
        });
        fs::write(path.join("index.json"), index.to_string()).unwrap();
    };
    let newest = |least: u64| newest_unrecorded(folder.path(), least, Some("o")).unwrap().map(|said| said.step);
    assert_eq!(newest(0), None);
    write(4, "o", 5);
    write(8, "o", 5);
    assert_eq!((newest(0), newest(8)), (Some(8), None));
    write(12, "other", 5);
    write(16, "o", 6);
    fs::create_dir_all(folder.path().join("step-00000020")).unwrap();
    assert_eq!(newest(4), Some(8), "of another order, cut short, without an index");
    assert!(newest_unrecorded(&folder.path().join("nowhere"), 0, None).unwrap().is_none());
}
