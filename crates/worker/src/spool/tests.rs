use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use agentwrite::ids::{AttemptId, Hash, OwnerId, RunId, Timestamp};
use agentwrite::ports::{ClaimTask, Recorded, StoreError, TaskResult, TaskStore};
use agentwrite::sample::SampleContext;
use agentwrite::task::{AttemptEnd, ClaimedTask, Kind, TaskKey};
use async_trait::async_trait;
use tokio::sync::Notify;

use super::entry::FSYNCED_AFTER;
use super::*;

const SOON: SpoolWhen = SpoolWhen::Late(Duration::from_millis(50));

fn record(place: u32) -> RecordResult {
    let attempt = AttemptId::new(format!("att_{place}"));
    RecordResult {
        task: TaskKey {
            run: RunId::new("run"),
            kind: Kind::new("other"),
            subject: "subject".to_owned(),
            place,
            revision: 0,
        },
        context_hash: Hash::of("test", &["context"]),
        owner: OwnerId::new("own"),
        origin: attempt.clone(),
        attempt,
        end: AttemptEnd::default(),
        result: TaskResult::Other(serde_json::json!({"text": "zwei\nZeilen"})),
        answer: None,
        follow_ups: Vec::new(),
        claim_next: None,
        now: Timestamp(7),
    }
}

/// Takes a result once; knows no other intent.
#[derive(Default)]
struct Results {
    taken: Mutex<HashMap<u32, usize>>,
    away: AtomicBool,
    asked: AtomicUsize,
}

#[async_trait]
impl TaskStore for Results {
    async fn record_result(&self, record: RecordResult) -> Result<Recorded, StoreError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.away.load(Ordering::Relaxed) {
            return Err(StoreError::new("record_result", "away"));
        }
        assert_eq!(record.claim_next, None, "nobody would work on it");
        let mut taken = self.taken.lock().unwrap();
        let times = taken.entry(record.task.place).or_default();
        *times += 1;
        Ok(match *times {
            1 => Recorded::Accepted { next: None, publish: Vec::new() },
            _ => Recorded::Repeated,
        })
    }

    async fn claim_task(&self, _: ClaimTask) -> Result<Option<ClaimedTask>, StoreError> {
        unreachable!("a replay claims nothing")
    }

    async fn record_failure(&self, _: agentwrite::ports::RecordFailure) -> Result<bool, StoreError> {
        unreachable!("a replay fails nothing")
    }

    async fn renew_leases(
        &self,
        _: &OwnerId,
        _: &[AttemptId],
        _: Duration,
        _: Timestamp,
    ) -> Result<Vec<(TaskKey, i64)>, StoreError> {
        unreachable!("a replay holds nothing")
    }

    async fn load_sample(&self, _: &TaskKey) -> Result<Option<SampleContext>, StoreError> {
        unreachable!("a replay loads nothing")
    }
}

/// Writes the answer of this place; durable when this returns.
async fn keep(spool: &Spool, place: u32) -> Kept {
    let kept = spool.write_down(&record(place)).unwrap();
    spool.sync(kept.0).await.unwrap();
    kept
}

fn entries(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn answers_of_the_dead_are_replayed_once_and_those_of_the_living_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let (dead, living) = (Spool::new(dir.path(), "dead", SOON), Spool::new(dir.path(), "living", SOON));
    let kept = keep(&dead, 0).await;
    let _ = (keep(&dead, 1).await, keep(&dead, 2).await);
    dead.done(kept);
    let _ = keep(&living, 3).await;
    let (store, next) = (Results::default(), Spool::new(dir.path(), "next", SOON));

    assert_eq!(next.adopt(&store).await.unwrap(), Adopted::default(), "both live");
    drop(dead);
    assert_eq!(waiting_answers(dir.path()), 2);
    assert_eq!(next.adopt(&store).await.unwrap(), Adopted { accepted: 2, wasted: 0 });
    assert_eq!(next.adopt(&store).await.unwrap(), Adopted::default());
    assert_eq!(*store.taken.lock().unwrap(), HashMap::from([(1, 1), (2, 1)]));
    assert_eq!(entries(dir.path()), ["living"]);
}

#[tokio::test]
async fn nothing_is_removed_before_the_store_has_taken_it() {
    let dir = tempfile::tempdir().unwrap();
    let dead = Spool::new(dir.path(), "dead", SOON);
    let _ = (keep(&dead, 0).await, keep(&dead, 1).await);
    drop(dead);
    let (store, next) = (Results::default(), Spool::new(dir.path(), "next", SOON));
    store.away.store(true, Ordering::Relaxed);
    next.adopt(&store).await.expect_err("the store is away");
    assert_eq!(waiting_answers(dir.path()), 2);
    store.away.store(false, Ordering::Relaxed);
    assert_eq!(next.adopt(&store).await.unwrap(), Adopted { accepted: 2, wasted: 0 });
    assert!(entries(dir.path()).is_empty());
}

#[tokio::test]
async fn a_record_that_a_kill_cut_off_is_no_hindrance() {
    let dir = tempfile::tempdir().unwrap();
    let dead = Spool::new(dir.path(), "dead", SOON);
    let _ = (keep(&dead, 0).await, keep(&dead, 1).await);
    drop(dead);
    let log = dir.path().join("dead/answers.log");
    let bytes = std::fs::read(&log).unwrap();
    std::fs::write(&log, &bytes[..bytes.len() - 9]).unwrap();
    let store = Results::default();
    let adopted = Spool::new(dir.path(), "next", SOON).adopt(&store).await.unwrap();
    assert_eq!(adopted, Adopted { accepted: 1, wasted: 0 });
    assert!(entries(dir.path()).is_empty());
}

#[tokio::test]
async fn a_log_whose_answers_are_all_taken_is_empty_and_its_folder_goes() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("spool");
    let spool = Spool::new(&folder, "own", SOON);
    let (first, second) = tokio::join!(async { keep(&spool, 0).await }, async { keep(&spool, 1).await });
    let length = || std::fs::metadata(folder.join("own/answers.log")).unwrap().len();
    spool.done(first);
    assert!(length() > 0);
    spool.leave();
    assert!(folder.join("own").is_dir(), "an answer is open");
    spool.done(second);
    assert_eq!(length(), 0);
    let third = keep(&spool, 2).await;
    assert!(length() > 0);
    spool.done(third);
    spool.leave();
    assert!(!folder.exists());
}

#[tokio::test]
async fn many_answers_share_an_fsync_and_none_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::new(dir.path(), "own", SOON);
    let all = (0..200).map(|place| {
        let spool = spool.clone();
        async move { keep(&spool, place).await }
    });
    let kept = futures_join(all).await;
    assert_eq!(kept.len(), 200);
    drop(spool);
    let store = Results::default();
    let adopted = Spool::new(dir.path(), "next", SOON).adopt(&store).await.unwrap();
    assert_eq!(adopted.accepted, 200);
}

async fn futures_join<F: Future<Output = Kept> + Send + 'static>(all: impl Iterator<Item = F>) -> Vec<Kept> {
    let mut set = tokio::task::JoinSet::new();
    all.for_each(|one| {
        set.spawn(one);
    });
    set.join_all().await
}

/// Whether the log has the answer, and whether it may be on no disk yet.
fn stands(spool: &Spool) -> (bool, bool) {
    let own = spool.own();
    own.as_ref().map_or((false, true), |own| (!own.is_empty(), own.unsynced(0).is_some()))
}

/// Follows an answer for so long, of a clock that stands still while anything is done.
async fn follow_for(time: Duration, follow: &mut (impl Future<Output = std::convert::Infallible> + Unpin)) {
    let Err(_) = tokio::time::timeout(time, follow).await;
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_is_written_down_at_once_and_fsynced_if_it_stays_late() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::new(dir.path(), "own", SOON);
    let (record, refused) = (record(0), Notify::new());
    let entry = Entry::new(&spool, &record);
    let mut follow = std::pin::pin!(entry.follow(&refused));
    follow_for(Duration::from_millis(49), &mut follow).await;
    assert_eq!(stands(&spool), (false, true), "not late");
    follow_for(FSYNCED_AFTER, &mut follow).await;
    assert_eq!(stands(&spool), (true, true), "an fsync would hold up the store's");
    follow_for(Duration::from_millis(2), &mut follow).await;
    assert_eq!(stands(&spool), (true, false));
    entry.done();
    assert_eq!(stands(&spool), (false, false));
}

#[tokio::test(start_paused = true)]
async fn a_refused_answer_is_on_the_disk_at_once() {
    for when in [SpoolWhen::Refused, SpoolWhen::Late(Duration::MAX)] {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::new(dir.path(), "own", when);
        let (record, refused) = (record(0), Notify::new());
        let entry = Entry::new(&spool, &record);
        let mut follow = std::pin::pin!(entry.follow(&refused));
        follow_for(Duration::from_secs(60), &mut follow).await;
        assert!(!stands(&spool).0, "neither late nor refused");
        refused.notify_one();
        follow_for(Duration::from_millis(1), &mut follow).await;
        assert_eq!(stands(&spool), (true, false));
    }
}

/// Swaps the file under the log of a spool.
fn swap(spool: &Spool, file: std::fs::File) -> std::fs::File {
    spool.own().as_mut().unwrap().over(file)
}

#[tokio::test(start_paused = true)]
async fn an_answer_whose_fsync_fails_stays_readable_and_is_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::new(dir.path(), "own", SOON);
    let (records, refused) = ([record(0), record(1)], Notify::new());
    let entry = Entry::new(&spool, &records[0]);
    let mut follow = std::pin::pin!(entry.follow(&refused));
    follow_for(Duration::from_millis(100), &mut follow).await;
    let beside = spool.write_down(&records[1]).unwrap();

    // A file that cannot be fsynced.
    let log = swap(&spool, std::fs::File::options().write(true).open("/dev/null").unwrap());
    follow_for(FSYNCED_AFTER, &mut follow).await;
    assert_eq!(stands(&spool), (true, true), "a kill loses nothing that was written down");
    drop(swap(&spool, log));
    spool.sync(beside.0).await.expect_err("it was in the log when the fsync failed: the next one says nothing of it");
    spool.done(beside);

    refused.notify_one();
    follow_for(Duration::from_millis(1), &mut follow).await;
    assert!(spool.own().as_ref().unwrap().unsynced(2).is_none(), "written again, and on the disk");
    assert_eq!(std::fs::read_to_string(dir.path().join("own/answers.log")).unwrap().matches("zwei").count(), 3);
    entry.done();
    assert!(!stands(&spool).0, "neither copy is left");
}
