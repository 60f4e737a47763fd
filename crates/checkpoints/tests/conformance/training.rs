//! Training jobs: one trainer at a time, frozen rounds, each shard once an epoch, done with the checkpoint that contains it, one
//! model.

use std::time::Duration;

use agentwrite::ids::{OwnerId, Timestamp, TrainingId};
use agentwrite::ports::{
    OpenRound, RecordCheckpoint, Registered, TrainingDesk, TrainingEnd, TrainingPosition, TrainingShard, TrainingState,
    TrainingStore, TrainingView,
};
use serde_json::json;

use crate::Fixture;

const LEASE: Duration = Duration::from_secs(30);

fn job() -> TrainingId {
    TrainingId::new("trn_a")
}

fn owner(name: &str) -> OwnerId {
    OwnerId::new(name)
}

fn at(seconds: i64) -> Timestamp {
    Timestamp(1_000_000 + seconds * 1_000)
}

fn shard(name: &str) -> TrainingShard {
    TrainingShard { sha256: format!("sha-{name}"), name: name.to_owned(), rows: 10 }
}

fn round(number: u32, epochs: u32, shards: &[&str]) -> OpenRound {
    let shards = shards.iter().map(|name| shard(name)).collect();
    OpenRound { number, epochs, shards, detail: json!({"last": number == 2}) }
}

fn checkpoint(session: u32, round: u32, step: u64, done: &[(u32, &str)]) -> RecordCheckpoint {
    RecordCheckpoint {
        session,
        round,
        step,
        path: format!("/out/{step}"),
        done: done.iter().map(|(epoch, shard)| (*epoch, format!("sha-{shard}"))).collect(),
        closes_round: false,
        detail: json!({"loss": 1.5}),
    }
}

/// A job that is created and held.
async fn held<F: Fixture>(fixture: &F) -> i64 {
    let store = fixture.store();
    store.create_training(&job(), &json!({"kind": "sft"}), at(0)).await.expect("create_training");
    store.take_training(&job(), &owner("a"), LEASE, at(0)).await.expect("take_training").expect("it is free")
}

async fn view<F: Fixture>(fixture: &F) -> TrainingView {
    fixture.store().training(&job()).await.expect("training").expect("it is there")
}

/// What is done, as (epoch, shard, checkpoint).
async fn done<F: Fixture>(fixture: &F) -> Vec<(u32, String, u32)> {
    let leases = view(fixture).await.leases;
    leases.into_iter().filter_map(|lease| Some((lease.epoch, lease.shard, lease.done?))).collect()
}

/// A job is created once; an unknown one is nothing.
pub async fn a_job_is_created_once<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    assert_eq!(store.training(&job()).await.expect("it answers"), None);
    let first = store.create_training(&job(), &json!({"kind": "sft"}), at(0)).await.expect("it answers");
    let again = store.create_training(&job(), &json!({"kind": "dpo"}), at(9)).await.expect("it answers");
    assert_eq!(first, again);
    assert_eq!(
        (first.state, first.seen, first.spec),
        (TrainingState::Running, TrainingPosition::default(), json!({"kind": "sft"}))
    );
    store.create_training(&TrainingId::new("trn_b"), &json!({}), at(5)).await.expect("it answers");
    let all: Vec<String> =
        store.trainings().await.expect("it answers").into_iter().map(|job| job.id.to_string()).collect();
    assert_eq!(all, ["trn_b", "trn_a"], "newest first");
}

/// One trainer holds a job until its lease lapses; a fence that is stale changes nothing.
pub async fn one_trainer_holds_a_job<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    let stale = held(&fixture).await;
    assert_eq!(store.take_training(&job(), &owner("b"), LEASE, at(29)).await.expect("it answers"), None);
    let seen = TrainingPosition { round: 1, step: 7 };
    assert_eq!(store.renew_training(&job(), stale, LEASE, seen, at(20)).await.expect("it answers"), Some(false));
    assert_eq!(store.take_training(&job(), &owner("b"), LEASE, at(40)).await.expect("it answers"), None);
    let fence =
        store.take_training(&job(), &owner("b"), LEASE, at(50)).await.expect("it answers").expect("it has lapsed");
    assert!(fence > stale);
    assert_eq!(store.renew_training(&job(), stale, LEASE, seen, at(51)).await.expect("it answers"), None);
    assert_eq!(store.open_round(&job(), stale, &round(1, 1, &["a"]), at(51)).await.expect("it answers"), None);
    assert_eq!(store.freeze_order(&job(), stale, 1, "h").await.expect("it answers"), None);
    assert_eq!(store.begin_session(&job(), stale, 1, None, at(51)).await.expect("it answers"), None);
    assert_eq!(
        store.record_checkpoint(&job(), stale, &checkpoint(1, 1, 5, &[]), at(51)).await.expect("it answers"),
        None
    );
    assert_eq!(store.register_model(&job(), stale, &json!({}), at(51)).await.expect("it answers"), None);
    assert!(!store.give_back_training(&job(), stale, &TrainingEnd::Released, at(51)).await.expect("it answers"));
    let view = view(&fixture).await;
    assert_eq!((view.rounds.len(), view.sessions.len(), view.checkpoints.len(), view.training.seen), (0, 0, 0, seen));
    assert_eq!(view.training.held, Some((owner("b"), at(80))));
}

/// Who holds it may take it again, as a process does that finds its own lock: the one before is fenced off.
pub async fn the_same_owner_takes_a_job_again<F: Fixture>() {
    let fixture = F::fresh().await;
    let first = held(&fixture).await;
    let again =
        fixture.store().take_training(&job(), &owner("a"), LEASE, at(1)).await.expect("it answers").expect("its own");
    assert!(again > first);
    let lost = fixture
        .store()
        .renew_training(&job(), first, LEASE, TrainingPosition::default(), at(2))
        .await
        .expect("it answers");
    assert_eq!(lost, None);
}

/// A round stays as it was opened first, its order as it was said first.
pub async fn a_round_is_frozen<F: Fixture>() {
    let fixture = F::fresh().await;
    let (store, fence) = (fixture.store(), held(&fixture).await);
    let opened = store
        .open_round(&job(), fence, &round(1, 2, &["a", "b"]), at(1))
        .await
        .expect("it answers")
        .expect("it is held");
    assert_eq!((opened.shards.len(), opened.epochs, opened.closed), (2, 2, false));
    let again =
        store.open_round(&job(), fence, &round(1, 3, &["c"]), at(2)).await.expect("it answers").expect("it is held");
    assert_eq!(opened, again);
    assert_eq!(store.freeze_order(&job(), fence, 1, "one").await.expect("it answers").as_deref(), Some("one"));
    assert_eq!(store.freeze_order(&job(), fence, 1, "two").await.expect("it answers").as_deref(), Some("one"));
    let view = view(&fixture).await;
    assert_eq!((view.rounds[0].order_hash.as_deref(), &view.rounds[0].detail), (Some("one"), &json!({"last": false})));
    let leases: Vec<_> = view.leases.iter().map(|lease| (lease.epoch, lease.shard.as_str(), lease.done)).collect();
    assert_eq!(leases, [(1, "sha-a", None), (1, "sha-b", None), (2, "sha-a", None), (2, "sha-b", None)]);
}

/// A shard is in one round of a job.
pub async fn a_later_round_leaves_taken_shards_out<F: Fixture>() {
    let fixture = F::fresh().await;
    let (store, fence) = (fixture.store(), held(&fixture).await);
    store.open_round(&job(), fence, &round(1, 1, &["a", "b"]), at(1)).await.expect("it answers");
    let second = store
        .open_round(&job(), fence, &round(2, 1, &["b", "c"]), at(2))
        .await
        .expect("it answers")
        .expect("it is held");
    assert_eq!(second.shards, [shard("c")]);
    let rounds: Vec<_> = view(&fixture).await.leases.into_iter().map(|lease| (lease.shard, lease.round)).collect();
    assert_eq!(rounds, [("sha-a".to_owned(), 1), ("sha-b".to_owned(), 1), ("sha-c".to_owned(), 2)]);
}

/// Jobs are apart: each has its own lease of a shard.
pub async fn jobs_are_apart<F: Fixture>() {
    let fixture = F::fresh().await;
    let (store, fence) = (fixture.store(), held(&fixture).await);
    store.open_round(&job(), fence, &round(1, 1, &["a"]), at(1)).await.expect("it answers");
    let other = TrainingId::new("trn_b");
    store.create_training(&other, &json!({}), at(2)).await.expect("it answers");
    let other_fence =
        store.take_training(&other, &owner("a"), LEASE, at(2)).await.expect("it answers").expect("it is held");
    let round = store
        .open_round(&other, other_fence, &round(1, 1, &["a"]), at(3))
        .await
        .expect("it answers")
        .expect("it is held");
    assert_eq!(round.shards.len(), 1);
    store.begin_session(&other, other_fence, 1, None, at(3)).await.expect("it answers");
    store.record_checkpoint(&other, other_fence, &checkpoint(1, 1, 5, &[(1, "a")]), at(4)).await.expect("it answers");
    assert_eq!(done(&fixture).await, []);
}

/// Done is written with the checkpoint, once, and only for shards of the round.
pub async fn done_comes_with_the_checkpoint<F: Fixture>() {
    let fixture = F::fresh().await;
    let (store, fence) = (fixture.store(), held(&fixture).await);
    store.open_round(&job(), fence, &round(1, 2, &["a", "b"]), at(1)).await.expect("it answers");
    let session = store.begin_session(&job(), fence, 1, None, at(2)).await.expect("it answers").expect("it is held");
    assert_eq!((session.number, session.from, session.redone_steps), (1, None, 0));
    let first = checkpoint(1, 1, 5, &[(1, "a"), (1, "stranger"), (9, "a")]);
    assert_eq!(store.record_checkpoint(&job(), fence, &first, at(3)).await.expect("it answers"), Some(1));
    let second =
        RecordCheckpoint { closes_round: true, ..checkpoint(1, 1, 9, &[(1, "a"), (1, "b"), (2, "a"), (2, "b")]) };
    assert_eq!(store.record_checkpoint(&job(), fence, &second, at(4)).await.expect("it answers"), Some(2));
    let all = [(1, "a", 1), (1, "b", 2), (2, "a", 2), (2, "b", 2)]
        .map(|(epoch, name, at)| (epoch, format!("sha-{name}"), at));
    assert_eq!(done(&fixture).await, all);
    let view = view(&fixture).await;
    assert!(view.rounds[0].closed);
    assert_eq!(view.training.seen, TrainingPosition { round: 1, step: 9 });
    assert_eq!((view.checkpoints[0].at, view.checkpoints[0].detail["loss"].as_f64()), (at(3), Some(1.5)));
}

/// A checkpoint that is said again is the same one, with what was said last: the round may close with it.
pub async fn a_repeated_checkpoint_is_the_same<F: Fixture>() {
    let fixture = F::fresh().await;
    let (store, fence) = (fixture.store(), held(&fixture).await);
    store.open_round(&job(), fence, &round(1, 1, &["a"]), at(1)).await.expect("it answers");
    store.begin_session(&job(), fence, 1, None, at(2)).await.expect("it answers");
    let first = checkpoint(1, 1, 5, &[]);
    let closing =
        RecordCheckpoint { closes_round: true, detail: json!({"model": "m"}), ..checkpoint(1, 1, 5, &[(1, "a")]) };
    for record in [&first, &first, &closing, &closing] {
        assert_eq!(store.record_checkpoint(&job(), fence, record, at(3)).await.expect("it answers"), Some(1));
    }
    let view = view(&fixture).await;
    assert_eq!((view.checkpoints.len(), &view.checkpoints[0].detail["model"]), (1, &json!("m")));
    assert!(view.rounds[0].closed);
    assert_eq!(done(&fixture).await, [(1, "sha-a".to_owned(), 1)]);
}

/// Going on from an earlier checkpoint gives later ones up, with what they contained, and says what is done again.
pub async fn going_back_undoes_what_came_after<F: Fixture>() {
    let fixture = F::fresh().await;
    let (store, fence) = (fixture.store(), held(&fixture).await);
    store.open_round(&job(), fence, &round(1, 1, &["a", "b", "c"]), at(1)).await.expect("it answers");
    store.begin_session(&job(), fence, 1, None, at(2)).await.expect("it answers");
    store.record_checkpoint(&job(), fence, &checkpoint(1, 1, 4, &[(1, "a")]), at(3)).await.expect("it answers");
    let closing = RecordCheckpoint { closes_round: true, ..checkpoint(1, 1, 8, &[(1, "a"), (1, "b"), (1, "c")]) };
    store.record_checkpoint(&job(), fence, &closing, at(4)).await.expect("it answers");
    let seen = TrainingPosition { round: 1, step: 11 };
    store.renew_training(&job(), fence, LEASE, seen, at(5)).await.expect("it answers");

    let session = store.begin_session(&job(), fence, 1, Some(1), at(6)).await.expect("it answers").expect("it is held");
    assert_eq!((session.number, session.from, session.redone_steps), (2, Some(1), 7));
    assert_eq!(done(&fixture).await, [(1, "sha-a".to_owned(), 1)]);
    let before = view(&fixture).await;
    assert_eq!((before.rounds[0].closed, before.standing().map(|it| it.number)), (false, Some(1)));
    assert_eq!(before.training.seen, TrainingPosition { round: 1, step: 4 });
    store
        .record_checkpoint(&job(), fence, &checkpoint(2, 1, 8, &[(1, "a"), (1, "b")]), at(7))
        .await
        .expect("it answers");
    let after = view(&fixture).await;
    let lineage: Vec<u32> = after.lineage().iter().map(|checkpoint| checkpoint.number).collect();
    assert_eq!(lineage, [1, 3], "the checkpoint in between was given up");
    // From the start: nothing stands any more.
    let session = store.begin_session(&job(), fence, 1, None, at(8)).await.expect("it answers").expect("it is held");
    assert_eq!((session.redone_steps, done(&fixture).await), (8, vec![]));
    assert_eq!(view(&fixture).await.standing(), None);
}

/// A model is registered once, when everything is done; then nobody holds the job, and nobody takes it.
pub async fn a_model_is_registered_once<F: Fixture>() {
    let fixture = F::fresh().await;
    let (store, fence) = (fixture.store(), held(&fixture).await);
    store.open_round(&job(), fence, &round(1, 1, &["a"]), at(1)).await.expect("it answers");
    store.begin_session(&job(), fence, 1, None, at(2)).await.expect("it answers");
    let register =
        async |model: &str| store.register_model(&job(), fence, &json!(model), at(4)).await.expect("it answers");
    assert_eq!(register("early").await, Some(Registered::Incomplete));
    store.record_checkpoint(&job(), fence, &checkpoint(1, 1, 5, &[(1, "a")]), at(3)).await.expect("it answers");
    assert_eq!(register("first").await, Some(Registered::New));
    assert_eq!(register("second").await, Some(Registered::Already));
    let training = view(&fixture).await.training;
    assert_eq!((training.state, training.model, training.held), (TrainingState::Done, Some(json!("first")), None));
    assert_eq!(store.take_training(&job(), &owner("b"), LEASE, at(99)).await.expect("it answers"), None);
    assert!(!store.stop_training(&job(), at(99)).await.expect("it answers"));
    assert!(
        !store
            .give_back_training(&job(), fence, &TrainingEnd::Stopped("user".into()), at(99))
            .await
            .expect("it answers")
    );
}

/// Whoever works on a job is asked to stop; one that nobody works on is stopped at once. Starting again forgets the wish.
pub async fn a_job_is_asked_to_stop<F: Fixture>() {
    let fixture = F::fresh().await;
    let (store, fence) = (fixture.store(), held(&fixture).await);
    assert!(!store.stop_training(&TrainingId::new("trn_b"), at(1)).await.expect("it answers"));
    assert!(store.stop_training(&job(), at(1)).await.expect("it answers"));
    assert_eq!(view(&fixture).await.training.state, TrainingState::Running);
    let seen = TrainingPosition::default();
    assert_eq!(store.renew_training(&job(), fence, LEASE, seen, at(2)).await.expect("it answers"), Some(true));
    assert!(
        store.give_back_training(&job(), fence, &TrainingEnd::Stopped("user".into()), at(3)).await.expect("it answers")
    );
    let training = view(&fixture).await.training;
    assert_eq!(
        (training.state, training.reason.as_deref(), training.held),
        (TrainingState::Stopped, Some("user"), None)
    );

    let fence = store.take_training(&job(), &owner("b"), LEASE, at(4)).await.expect("it answers").expect("it is free");
    let training = view(&fixture).await.training;
    assert_eq!((training.state, training.reason, training.stop_asked), (TrainingState::Running, None, false));
    assert!(
        store.give_back_training(&job(), fence, &TrainingEnd::Failed("nan".into()), at(5)).await.expect("it answers")
    );
    assert!(store.stop_training(&job(), at(6)).await.expect("it answers"));
    let training = view(&fixture).await.training;
    assert_eq!(
        (training.state, training.reason.as_deref()),
        (TrainingState::Failed, Some("nan")),
        "it stays what it is"
    );
    // Its trainer is gone without a word.
    store.take_training(&job(), &owner("b"), LEASE, at(7)).await.expect("it answers").expect("it is free");
    store.stop_training(&job(), at(60)).await.expect("it answers");
    let training = view(&fixture).await.training;
    assert_eq!((training.state, training.reason.as_deref()), (TrainingState::Stopped, Some("user")));
}

/// What is released goes on with whoever takes it.
pub async fn a_released_job_goes_on<F: Fixture>() {
    let fixture = F::fresh().await;
    let (store, fence) = (fixture.store(), held(&fixture).await);
    store.open_round(&job(), fence, &round(1, 1, &["a"]), at(1)).await.expect("it answers");
    assert!(store.give_back_training(&job(), fence, &TrainingEnd::Released, at(2)).await.expect("it answers"));
    assert!(!store.give_back_training(&job(), fence, &TrainingEnd::Released, at(2)).await.expect("it answers"));
    assert_eq!(view(&fixture).await.training.state, TrainingState::Running);
    let next = store.take_training(&job(), &owner("b"), LEASE, at(3)).await.expect("it answers").expect("it is free");
    let round =
        store.open_round(&job(), next, &round(1, 1, &["z"]), at(4)).await.expect("it answers").expect("it is held");
    assert_eq!(round.shards, [shard("a")]);
}

/// Of many who take a job at once one has it.
pub async fn of_many_takers_one_wins<F: Fixture>() {
    let fixture = F::fresh().await;
    let store = fixture.store();
    store.create_training(&job(), &json!({}), at(0)).await.expect("it answers");
    let names: Vec<OwnerId> = (0..20).map(|number| owner(&format!("own_{number}"))).collect();
    let id = job();
    let takes = names.iter().map(|name| store.take_training(&id, name, LEASE, at(1)));
    let taken = futures_util::future::join_all(takes).await;
    assert_eq!(taken.into_iter().filter(|fence| fence.as_ref().expect("it answers").is_some()).count(), 1);
}
