//! What goes wrong stays alone: one intent of a batch, a server that dies, a text that PostgreSQL's own type cannot hold.

use std::time::Duration;

use agentwrite::config::{Limits, RunConfig};
use agentwrite::ids::RunId;
use agentwrite::ports::{Admit, ClaimTask, DispatchStore, OverviewStore, ReportStore, RunStore, TaskStore};
use checkpoints::postgres::PostgresStore;
use futures_util::future::join_all;
use servers::postgres::{Postgres, Settings};

use crate::Fixture;
use crate::material::{input, kept, sample};
use crate::postgres_fixture::PostgresFixture;
use crate::scene::Scene;

/// Forty claims wait together; one comes with an attempt id that is taken, and only that one fails.
#[tokio::test]
async fn one_faulty_claim_of_a_batch_fails_alone() {
    let fixture = PostgresFixture::fresh().await;
    let scene = Scene::of(fixture.store(), 41).await;
    let admits: Vec<Admit> = (0..41).map(|index| Admit { sample: sample(index), write: false }).collect();
    scene.store.admit(&scene.run, &admits, false, scene.tick()).await.expect("admit");
    let taken = scene.claim(&scene.plan_key(40)).await.attempt;
    let mut wishes: Vec<ClaimTask> = (0..40).map(|index| scene.wish(&scene.plan_key(index))).collect();
    wishes[17].attempt = taken;
    let claims = join_all(wishes.into_iter().map(|wish| scene.store.claim_task(wish))).await;
    for (index, claim) in claims.iter().enumerate() {
        let claimed = claim.as_ref().is_ok_and(Option::is_some);
        assert_eq!(claimed, index != 17, "{index}: {claim:?}");
    }
    assert!(scene.try_claim(&scene.plan_key(17)).await.is_some(), "the faulty claim left nothing behind");
    scene.sound().await;
}

/// A server dies and comes back: intents fail meanwhile, what was recorded stands, and the same store goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_outlives_its_server() {
    let server = Postgres::start(Settings::default());
    let database = server.database(None);
    PostgresStore::migrate(&database.url()).await.expect("migrate");
    let store = PostgresStore::connect(&database.url()).await.expect("connect");
    let scene = Scene::of(&store, 2).await;
    let task = scene.writing(0, 2).await;
    let record = scene.section_result(&task, "A text that was paid for.").await;
    scene.accept(&record).await;

    server.kill();
    let asked = async { tokio::join!(store.record_result(record.clone()), store.totals(&scene.run)) };
    let (lost, unread) = tokio::time::timeout(Duration::from_secs(40), asked).await.expect("they do not hang");
    lost.expect_err("nobody is there");
    unread.expect_err("nobody is there");
    server.start_again();

    assert_eq!(scene.record(&record).await, agentwrite::ports::Recorded::Repeated);
    assert_eq!(scene.totals().await.sections, 1);
    scene.judged(1, 2).await;
    scene.sound().await;
    store.close().await;
}

/// A model may answer U+0000. It was paid for, so it is stored as it came; remarks and titles lose it.
#[tokio::test]
async fn a_text_with_a_nul_is_stored_as_it_came() {
    let fixture = PostgresFixture::fresh().await;
    let store = fixture.store();
    let run = RunId::new("run_a");
    let mut row = input(0);
    row.messages[0].content = "Write about\0nothing.".to_owned();
    row.id = Some("row\0one".to_owned());
    let scene = Scene::with(store, "run_a", &RunConfig::default(), &Limits::default(), 0).await;
    store.add_samples(&run, &[(row.clone(), 1)], scene.tick()).await.expect("add_samples");
    store.start_run(&run, scene.tick()).await.expect("start_run");
    let id = row.sample_id();
    let key = |kind: &agentwrite::task::Kind| agentwrite::task::TaskKey {
        subject: id.as_str().to_owned(),
        kind: kind.clone(),
        ..scene.plan_key(0)
    };
    let admit = async |write| {
        let admits = [Admit { sample: id.clone(), write }];
        store.admit(&run, &admits, false, scene.tick()).await.expect("admit");
    };
    admit(false).await;
    let task = scene.claim(&key(&agentwrite::task::Kind::PLAN)).await;
    scene.accept(&scene.plan_result(&task, 1)).await;
    admit(true).await;
    let task = scene.claim(&key(&agentwrite::task::Kind::SECTION)).await;
    let mut record = scene.section_result(&task, "Noth\0ing.").await;
    let mut answer = kept("Sure: Noth\0ing.", "cleaned", false);
    answer.evidence = "Sure\0".to_owned();
    record.answer = Some(answer);
    scene.accept(&record).await;

    let detail = store.sample(&run, &id).await.expect("sample").expect("there");
    assert_eq!(detail.context.input, row);
    assert_eq!(detail.context.sections[0].text, "Noth\0ing.");
    assert_eq!(detail.answers[0].raw, "Sure: Noth\0ing.");
    assert_eq!(detail.answers[0].evidence, "Sure\u{fffd}");
    assert_eq!(detail.row.title, "Write about\u{fffd}nothing.");
    assert_eq!(store.samples_named(&run, "row\0one", 5).await.expect("samples_named"), [id]);
    scene.sound().await;
}
