//! Ranges close whatever the order of completion, empty ones and supplements too.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use agentwrite::failure::ErrorCode;
use agentwrite::ports::{PackStore, ReportStore, RetryPlan, RunState, RunStore, SampleFilter};
use agentwrite::sample::SampleState;
use checkpoints::memory::MemoryStore;
use checkpoints::sqlite::SqliteStore;
use dataset::{DatasetFolder, OrdinalRange};
use tokio_util::sync::CancellationToken;

use crate::driver::{DUPLICATE, FAILS, Run, SAMPLES, Store, TOO_SHORT, pack, sample};
use crate::folder::{checked_manifest, content};

/// Finishes all samples in an order, with a round of the packer after every so many, and returns the run.
pub async fn packed_run<S: Store>(store: S, root: &Path, order: impl Iterator<Item = u64>, every: usize) -> Run<S> {
    let run = Run::start(store).await;
    let packer = run.packer(&DatasetFolder::open(root).unwrap());
    for (index, ordinal) in order.enumerate() {
        run.finish(ordinal).await;
        if index % every == 0 {
            packer.round().await.unwrap();
        }
    }
    pack(&packer).await;
    run
}

async fn codes<S: Store>(run: &Run<S>) -> BTreeMap<u64, Option<String>> {
    let page = run.store.samples(&run.id, &SampleFilter::default(), 100).await.unwrap();
    page.rows.into_iter().map(|row| (row.ordinal, row.code)).collect()
}

#[tokio::test]
async fn any_order_of_completion_gives_the_same_bytes_over_either_store() {
    let (forth, back, sqlite) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let run = packed_run(MemoryStore::new(), forth.path(), 0..SAMPLES, 1).await;
    packed_run(MemoryStore::new(), back.path(), (0..SAMPLES).rev(), 7).await;
    let database = SqliteStore::open(&sqlite.path().join("longhand.db")).await.unwrap();
    let mixed = (0..SAMPLES).map(|index| index * 7 % SAMPLES);
    let over_sqlite = packed_run(database, sqlite.path(), mixed, 3).await;

    let expected = content(forth.path());
    let names: Vec<&str> = expected.keys().map(String::as_str).collect();
    let shards = ["shard-00000.jsonl", "shard-00000.parquet", "shard-00001.jsonl", "shard-00001.parquet"];
    assert_eq!(names, [&["README.md", "manifest.json"], &shards[..]].concat());
    assert_eq!(content(back.path()), expected);
    assert_eq!(content(sqlite.path()), expected);

    let (manifest, rows) = checked_manifest(forth.path());
    assert_eq!(manifest.empty_ranges, [OrdinalRange(16, 19)]);
    assert_eq!(manifest.states, BTreeMap::from([("failed".into(), 5), ("packed".into(), 13), ("rejected".into(), 2)]));
    assert_eq!(manifest.models.write, ["writer"]);
    assert_eq!((manifest.name.as_str(), manifest.accounting.run_id.as_str()), ("tea", "run_1"));
    assert_eq!(manifest.accounting.attempts["called"], 15 * 3 + 5);
    let kept = (0..16).filter(|ordinal| ![FAILS, TOO_SHORT, DUPLICATE].contains(ordinal));
    let ids: Vec<String> = kept.map(|ordinal| sample(ordinal).as_str().to_owned()).collect();
    assert_eq!(rows.iter().map(|row| row.sample_id.clone()).collect::<Vec<_>>(), ids);
    assert_eq!((rows[0].id.as_str(), rows[1].id == rows[1].sample_id), ("row-0", true));
    assert_eq!(rows[0].words, 400);

    for codes in [codes(&run).await, codes(&over_sqlite).await] {
        assert_eq!(codes[&TOO_SHORT].as_deref(), Some(ErrorCode::LengthScore.as_str()));
        assert_eq!(codes[&DUPLICATE].as_deref(), Some(ErrorCode::Duplicate.as_str()));
        assert_eq!(codes[&FAILS].as_deref(), Some(ErrorCode::Refusal.as_str()));
    }
    for state in [
        run.store.finish_run(&run.id, agentwrite::ids::Timestamp(0)).await.unwrap(),
        over_sqlite.store.finish_run(&run.id, agentwrite::ids::Timestamp(0)).await.unwrap(),
    ] {
        assert_eq!(state, RunState::Done);
    }
    assert_eq!(over_sqlite.store.violations(&run.id).await.unwrap(), []);
}

#[tokio::test]
async fn a_range_closes_while_others_are_in_work() {
    let root = tempfile::tempdir().unwrap();
    let run = Run::start(MemoryStore::new()).await;
    let packer = run.packer(&DatasetFolder::open(root.path()).unwrap());
    for ordinal in 8..16 {
        run.finish(ordinal).await;
    }
    pack(&packer).await;
    let (manifest, rows) = checked_manifest(root.path());
    assert_eq!(manifest.files[0].name, "shards/shard-00001.jsonl");
    assert_eq!((rows.len(), manifest.states["pending"]), (7, 12));
}

#[tokio::test]
async fn a_retried_sample_of_a_closed_range_goes_to_a_supplement_and_shards_stay() {
    let root = tempfile::tempdir().unwrap();
    let run = packed_run(MemoryStore::new(), root.path(), 0..SAMPLES, 4).await;
    let before = content(root.path());
    let plan = RetryPlan { samples: vec![sample(FAILS), sample(17)], ..RetryPlan::default() };
    let retried = run.store.retry(&run.id, "test", &plan, agentwrite::ids::Timestamp(0)).await.unwrap();
    assert_eq!(retried.supplement, Some(1));
    run.write(17).await;
    run.write(FAILS).await;
    pack(&run.packer(&DatasetFolder::open(root.path()).unwrap())).await;

    let (manifest, rows) = checked_manifest(root.path());
    let after = content(root.path());
    for (name, bytes) in before.iter().filter(|(name, _)| name.starts_with("shard-")) {
        assert_eq!(&after[name], bytes, "{name}");
    }
    let last: Vec<&str> = rows[13..].iter().map(|row| row.sample_id.as_str()).collect();
    assert_eq!(last, [sample(FAILS).as_str(), sample(17).as_str()]);
    let supplement = manifest.files.last().unwrap();
    assert_eq!((supplement.name.as_str(), supplement.ordinals), ("shards/shard-s0001.parquet", OrdinalRange(3, 17)));
    assert_eq!(manifest.states["packed"], 15);
}

#[tokio::test]
async fn rows_carry_the_configuration_that_their_sample_was_planned_under() {
    let root = tempfile::tempdir().unwrap();
    let run = Run::start(MemoryStore::new()).await;
    for ordinal in 0..4 {
        run.finish(ordinal).await;
    }
    run.configure(|config| "another".clone_into(&mut config.text.write.model)).await;
    for ordinal in 4..SAMPLES {
        run.finish(ordinal).await;
    }
    pack(&run.packer(&DatasetFolder::open(root.path()).unwrap())).await;
    let (manifest, rows) = checked_manifest(root.path());
    assert_eq!((rows[2].write_model.as_str(), rows[3].write_model.as_str()), ("writer", "another"));
    assert_eq!(manifest.models.write, ["another", "writer"]);
}

#[tokio::test]
async fn the_loop_packs_everything_and_ends_when_told() {
    let root = tempfile::tempdir().unwrap();
    let run = Run::start(MemoryStore::new()).await;
    let packer = run.packer(&DatasetFolder::open(root.path()).unwrap());
    let stop = CancellationToken::new();
    let work = async {
        for ordinal in 0..SAMPLES {
            run.finish(ordinal).await;
            tokio::task::yield_now().await;
        }
        while run.store.finish_run(&run.id, agentwrite::ids::Timestamp(0)).await.unwrap() != RunState::Done {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(packer.run(&stop), work);
    ended.unwrap();
    assert_eq!(checked_manifest(root.path()).1.len(), 13);
    assert_eq!(run.store.totals(&run.id).await.unwrap().state(SampleState::Written), 0);
    assert_eq!(run.store.published(&run.id).await.unwrap().len(), 3);
}
