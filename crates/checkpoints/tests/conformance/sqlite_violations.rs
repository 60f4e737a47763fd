//! `violations` on SQLite names what is broken: each invariant is broken by hand, behind the store's back.

use agentwrite::config::{Limits, RunConfig};
use agentwrite::failure::ErrorCode;
use agentwrite::ports::{Range, ReportStore, Reserve};
use rusqlite::Connection;

use crate::material::{COST, again, sample, sharded, text};
use crate::scene::Scene;
use crate::{Fixture, SqliteFixture};

/// A run in which every table has rows: packed, failed, written, writing and pending samples, an open reservation.
pub async fn busy_run<F: Fixture>(fixture: &F) -> Scene<'_, F::Store> {
    let config = RunConfig { attempts: 2, ..sharded(2) };
    let scene = Scene::with(fixture.store(), "run_v", &config, &Limits::default(), 6).await;
    scene.judged(0, 2).await;
    scene.failed(1, ErrorCode::PlanEmpty).await;
    agentwrite::ports::PackStore::close_range(fixture.store(), &scene.run, Range::Main(0), &[], scene.tick())
        .await
        .expect("close_range")
        .expect("closable");
    scene.written(2, 3).await;
    let task = scene.writing(3, 3).await;
    let mut record = scene.section_result(&task, &text(3, 0)).await;
    record.claim_next = Some(scene.claim_next());
    let task = scene.accept(&record).await.0.expect("claimed");
    scene.fail(&task, again(ErrorCode::Reset, scene.now())).await;
    let task = scene.claim(&task.key).await;
    let reserve = Reserve {
        run: scene.run.clone(),
        budget: agentwrite::ports::Budget::of("default"),
        attempt: task.attempt,
        tokens: 1,
        worst_nanousd: Some(COST),
        now: scene.tick(),
    };
    agentwrite::ports::TrafficStore::reserve(fixture.store(), reserve).await.expect("reserve");
    scene.admit(4, false, false).await;
    scene.sound().await;
    scene
}

/// What was broken, by which statement (`?1` is the sample of this index), and the invariant that must be named.
pub const BROKEN: &[(&str, u64, &str, &str)] = &[
    ("I1", 2, "a section is missing", "delete from section where sample = ?1 and place = 1"),
    ("I1", 2, "a place too many is counted", "update sample set filled = 2, state = 'writing' where sample = ?1"),
    ("I1", 2, "words are miscounted", "update sample set words = words + 1 where sample = ?1"),
    ("I1", 3, "written with places empty", "update sample set state = 'written' where sample = ?1"),
    ("I1", 2, "nobody answers for a section", "update attempt set outcome = 'failed' where subject = ?1 and place = 2"),
    ("I1", 3, "two tries are committed", "update attempt set outcome = 'committed' where subject = ?1 and place = 1"),
    ("I3", 0, "packed without a shard", "delete from shard_member where sample = ?1"),
    ("I3", 0, "in a shard without being packed", "update sample set state = 'written' where sample = ?1"),
    ("I3", 0, "in a shard that is open", "delete from shard where ?1 is not null"),
    ("I4", 3, "more failures than allowed", "update task set failures = 3 where subject = ?1 and place = 1"),
    ("I4", 3, "more crashes than allowed", "update task set crashes = 21 where subject = ?1 and place = 1"),
    ("I5", 3, "no live task", "update task set state = 'dead' where subject = ?1 and place = 1"),
    ("I5", 3, "a live task too many", "update task set state = 'ready' where subject = ?1 and place = 0"),
    ("I5", 2, "written with a live task", "update task set state = 'ready' where subject = ?1 and place = 0"),
    ("I5", 3, "a live task of another revision", "update task set revision = 4 where subject = ?1 and place = 1"),
    ("I6", 0, "a price is forgotten", "update attempt set cost_nanousd = 1 where subject = ?1 and kind = 'plan'"),
    ("I6", 3, "a reservation is lost", "update attempt set reserved_nanousd = null where subject = ?1"),
    ("I6", 0, "a call is not counted", "update run_total set calls = calls - 1 where ?1 is not null"),
    ("I6", 0, "a state is miscounted", "update run_state_total set count = count + 1 where ?1 is not null"),
    (
        "I8",
        2,
        "a text was edited",
        "update text set body = body || '!' where id = (select text from section where sample = ?1 and place = 1)",
    ),
    ("I8", 2, "a plan was edited", "update plan set plan = replace(plan, 'Point 2', 'Point two') where sample = ?1"),
    (
        "I8",
        2,
        "the head is another's",
        "update sample set chain = (select chain from sample where state = 'packed') where sample = ?1",
    ),
    (
        "I8",
        2,
        "the input was edited",
        "update instruction set input = replace(input, 'subject', 'object') where sample = ?1",
    ),
    (
        "I8",
        3,
        "a live task has another context",
        "update task set context_hash = 'ff' where subject = ?1 and place = 1",
    ),
];

#[tokio::test]
async fn each_broken_invariant_is_named() {
    let fixture = SqliteFixture::fresh().await;
    let scene = busy_run(&fixture).await;
    for (invariant, index, what, statement) in BROKEN {
        let statement = by_number(statement);
        let folder = tempfile::tempdir().expect("a folder");
        let copy = folder.path().join("longhand.db");
        open(&fixture.path()).execute("vacuum into ?1", [copy.to_str()]).expect("a copy");
        let connection = open(&copy);
        let changed =
            connection.execute(&statement, [sample(*index).as_str()]).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(changed > 0, "{what}: nothing was broken");
        connection.close().expect("closes");
        let store = checkpoints::sqlite::SqliteStore::open(&copy).await.expect("the copy opens");
        let named = store.violations(&scene.run).await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
        assert!(named.iter().any(|(name, _, _)| name == invariant), "{what}: named {named:?}");
        store.close().await;
    }
}

/// A second membership is impossible: the key of the table forbids it (I3).
#[tokio::test]
async fn a_second_membership_is_refused_by_the_schema() {
    let fixture = SqliteFixture::fresh().await;
    let _scene = busy_run(&fixture).await;
    let sql =
        "insert into shard_member (run, subject, range, revision) select run, id, 7, 0 from subject where name = ?1";
    let again = open(&fixture.path()).execute(sql, [sample(0).as_str()]);
    let error = again.expect_err("a second membership").to_string();
    assert!(error.contains("UNIQUE constraint failed"), "{error}");
}

/// The same statement where subjects have numbers and attempts are keyed by their task.
fn by_number(statement: &str) -> String {
    let subject = "subject = (select id from subject where name = ?1)";
    let statement = statement.replace("sample = ?1", subject);
    match statement.split_once(" where subject = ?1") {
        Some((change, rest)) if change.starts_with("update attempt") => {
            format!("{change} where task in (select id from task where {subject}{rest})")
        }
        Some((change, rest)) => format!("{change} where {subject}{rest}"),
        None => statement,
    }
}

fn open(path: &std::path::Path) -> Connection {
    Connection::open(path).expect("the database opens")
}
