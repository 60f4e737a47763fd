//! Deaths at every step between a closed range and a described dataset.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use agentwrite::ports::PackStore;
use checkpoints::memory::MemoryStore;
use dataset::{DatasetFolder, DatasetPlace};
use shard_packer::PackError;

use crate::driver::{Run, SAMPLES, pack};
use crate::failing_store::FailingPublish;
use crate::folder::{checked_manifest, content};
use crate::ranges::packed_run;

async fn written_run() -> Run<MemoryStore> {
    let run = Run::start(MemoryStore::new()).await;
    for ordinal in 0..SAMPLES {
        run.finish(ordinal).await;
    }
    run
}

fn failing(run: &Run<MemoryStore>) -> Arc<FailingPublish> {
    let store = Arc::clone(&run.store) as Arc<dyn PackStore>;
    Arc::new(FailingPublish { store, left: AtomicU32::new(1) })
}

#[tokio::test]
async fn files_without_a_publication_are_made_again_with_the_same_bytes() {
    let (whole, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    packed_run(MemoryStore::new(), whole.path(), 0..SAMPLES, 5).await;
    let run = written_run().await;
    let folder = DatasetFolder::open(root.path()).unwrap();
    let dying = run.packer_over(&folder, failing(&run));
    let error = dying.round().await.unwrap_err();
    assert!(matches!(error, PackError::Store(_)) && error.may_pass(), "{error}");
    assert!(folder.read_manifest().unwrap().is_none());
    let left = fs::read(root.path().join("shards/shard-00000.parquet")).unwrap();

    // The same process goes on: the files are there and are taken as they are.
    pack(&dying).await;
    assert_eq!(content(root.path()), content(whole.path()));
    assert_eq!(fs::read(root.path().join("shards/shard-00000.parquet")).unwrap(), left);

    // Another process takes over, after a sweep.
    let second = tempfile::tempdir().unwrap();
    let run = written_run().await;
    let folder = DatasetFolder::open(second.path()).unwrap();
    run.packer_over(&folder, failing(&run)).round().await.unwrap_err();
    fs::write(second.path().join("shards/shard-00001.parquet.tmp-own_0-3"), b"half").unwrap();
    fs::write(second.path().join("shards/shard-00002.jsonl"), b"of another build").unwrap();
    pack(&run.packer(&folder)).await;
    assert_eq!(content(second.path()), content(whole.path()));
}

#[tokio::test]
async fn another_file_under_a_shard_s_name_stops_the_packer() {
    let root = tempfile::tempdir().unwrap();
    let run = written_run().await;
    let folder = DatasetFolder::open(root.path()).unwrap();
    let packer = run.packer_over(&folder, failing(&run));
    packer.round().await.unwrap_err();
    fs::write(root.path().join("shards/shard-00000.parquet"), b"something else").unwrap();
    let error = packer.round().await.unwrap_err();
    assert!(matches!(error, PackError::Place(dataset::PlaceError::Conflict { .. })) && !error.may_pass(), "{error}");
}

#[tokio::test]
async fn a_manifest_that_is_missing_or_behind_is_made_from_the_shards() {
    let root = tempfile::tempdir().unwrap();
    let run = packed_run(MemoryStore::new(), root.path(), 0..SAMPLES, 5).await;
    let folder = DatasetFolder::open(root.path()).unwrap();
    let expected = content(root.path());
    for name in ["manifest.json", "README.md"] {
        fs::remove_file(root.path().join(name)).unwrap();
        pack(&run.packer(&folder)).await;
        assert_eq!(content(root.path()), expected, "without {name}");
    }

    // Behind: it knows of one of two shards.
    let mut behind = folder.read_manifest().unwrap().unwrap();
    let (first, _) = checked_manifest(root.path());
    behind.files.truncate(2);
    let rows = dataset::decode_jsonl(&fs::read(root.path().join("shards/shard-00000.jsonl")).unwrap()).unwrap();
    behind.tally = dataset::RowTally::of(&rows);
    behind.empty_ranges.clear();
    folder.write_manifest(&behind.seal().unwrap(), "test").unwrap();
    pack(&run.packer(&folder)).await;
    assert_eq!(checked_manifest(root.path()).0.content_hash().unwrap(), first.content_hash().unwrap());
}

#[tokio::test]
async fn a_manifest_that_is_up_to_date_saves_reading_the_shards() {
    let root = tempfile::tempdir().unwrap();
    let run = packed_run(MemoryStore::new(), root.path(), 0..SAMPLES, 5).await;
    let folder = DatasetFolder::open(root.path()).unwrap();
    fs::remove_file(root.path().join("shards/shard-00000.parquet")).unwrap();
    pack(&run.packer(&folder)).await;
    // Without it the loss comes to light.
    fs::remove_file(root.path().join("manifest.json")).unwrap();
    let error = run.packer(&folder).round().await.unwrap_err();
    assert!(matches!(&error, PackError::Damaged { file } if file == "shard-00000.parquet"), "{error}");
}
