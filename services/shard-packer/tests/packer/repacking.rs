//! Shards again from stored text, by other thresholds.

use std::collections::BTreeMap;

use agentwrite::failure::ErrorCode;
use agentwrite::gates::sample::SamplePolicy;
use agentwrite::ids::OwnerId;
use agentwrite::ports::RetryPlan;
use checkpoints::memory::MemoryStore;
use checkpoints::sqlite::SqliteStore;
use dataset::DatasetFolder;
use shard_packer::{PackError, RepackSource, repack};

use crate::driver::{DUPLICATE, FAILS, Run, SAMPLES, Store, TOO_SHORT, pack, sample};
use crate::folder::{checked_manifest, content};
use crate::ranges::packed_run;

fn source<S: Store>(run: &Run<S>) -> RepackSource {
    RepackSource {
        packs: run.store.clone(),
        runs: run.store.clone(),
        report: run.store.clone(),
        clock: run.clock.clone(),
        run: run.id.clone(),
        owner: OwnerId::new("own_2"),
        eval: None,
    }
}

#[tokio::test]
async fn the_same_thresholds_make_the_same_folder() {
    let (root, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let database = SqliteStore::open(&root.path().join("longhand.db")).await.unwrap();
    let run = packed_run(database, root.path(), 0..SAMPLES, 5).await;
    let new = to.path().join("new");
    let report = repack(&source(&run), &SamplePolicy::default(), &new).await.unwrap();
    assert_eq!(content(&new), content(root.path()));
    assert_eq!((report.samples, report.rows), (15, 13));
    assert_eq!(report.rejected, BTreeMap::from([(ErrorCode::LengthScore, 1), (ErrorCode::Duplicate, 1)]));
    assert_eq!((report.won.len(), report.lost.len()), (0, 0));
    assert_eq!(report.dataset_hash, checked_manifest(&new).0.dataset_hash);
}

#[tokio::test]
async fn other_thresholds_win_and_lose_rows_and_the_run_stays() {
    let (root, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let run = packed_run(MemoryStore::new(), root.path(), 0..SAMPLES, 5).await;
    let before = content(root.path());
    let lenient = SamplePolicy { reject_length_score: 0.0, max_similarity: 1.0, ..SamplePolicy::default() };
    let won = repack(&source(&run), &lenient, &to.path().join("lenient")).await.unwrap();
    assert_eq!(won.won, BTreeMap::from([(ErrorCode::LengthScore, 1), (ErrorCode::Duplicate, 1)]));
    assert_eq!((won.rows, won.rejected.len()), (15, 0));
    let (manifest, rows) = checked_manifest(&to.path().join("lenient"));
    assert_eq!(manifest.states, BTreeMap::from([("failed".into(), 5), ("packed".into(), 15)]));
    for ordinal in [TOO_SHORT, DUPLICATE] {
        assert!(rows.iter().any(|row| row.sample_id == sample(ordinal).as_str()));
    }

    // Without a required length a sample must have three times its plan's words now: all odd ones are lost.
    let strict = SamplePolicy { min_plan_share: 3.0, ..SamplePolicy::default() };
    let lost = repack(&source(&run), &strict, &to.path().join("strict")).await.unwrap();
    assert_eq!(lost.lost, BTreeMap::from([(ErrorCode::TooShort, 5)]));
    assert_eq!(lost.rejected[&ErrorCode::TooShort], 6, "the duplicate falls to an earlier gate now");
    assert_eq!(lost.rows, 8);
    assert_eq!(content(root.path()), before);
}

#[tokio::test]
async fn supplements_dissolve_and_a_used_folder_is_refused() {
    let (root, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let run = packed_run(MemoryStore::new(), root.path(), 0..SAMPLES, 5).await;
    let plan = RetryPlan { samples: vec![sample(FAILS)], ..RetryPlan::default() };
    agentwrite::ports::RunStore::retry(&*run.store, &run.id, "test", &plan, agentwrite::ids::Timestamp(0))
        .await
        .unwrap();
    run.write(FAILS).await;
    pack(&run.packer(&DatasetFolder::open(root.path()).unwrap())).await;

    let report = repack(&source(&run), &SamplePolicy::default(), to.path()).await.unwrap();
    let (manifest, rows) = checked_manifest(to.path());
    assert_eq!((report.rows, manifest.files.len()), (14, 4));
    assert_eq!(rows[3].sample_id, sample(FAILS).as_str(), "in ordinal order");
    let again = repack(&source(&run), &SamplePolicy::default(), to.path()).await;
    assert!(matches!(again, Err(PackError::NotEmpty(_))));
}
