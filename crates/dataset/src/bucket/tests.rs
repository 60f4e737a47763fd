use std::fmt;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, PutMultipartOptions, PutOptions,
    PutPayload, PutResult, Result,
};
use tokio::runtime::{Builder, Runtime};

use super::*;
use crate::shard_name::{ShardFormat, ShardName};

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn jsonl(number: u32) -> ShardFileName {
    ShardName::Range(number).file(ShardFormat::Jsonl)
}

fn keys(runtime: &Runtime, bucket: &Bucket) -> Vec<String> {
    let found: Vec<ObjectMeta> = runtime.block_on(bucket.store.list(None).try_collect()).unwrap();
    let mut keys: Vec<String> = found.into_iter().map(|object| object.location.to_string()).collect();
    keys.sort();
    keys
}

#[test]
fn keys_are_a_folder_s_names_below_prefix_and_dataset() {
    let runtime = runtime();
    let bucket = Bucket::in_memory(runtime.handle().clone());
    let dataset = bucket.dataset("run_1");
    dataset.put_shard(jsonl(7), b"rows", "a").unwrap();
    dataset.write_manifest(&Manifest::default().seal().unwrap(), "a").unwrap();
    dataset.write_card("card", "a").unwrap();
    let files = ["README.md", "manifest.json", "shards/shard-00007.jsonl"];
    assert_eq!(keys(&runtime, &bucket), files.map(|file| format!("some/prefix/run_1/{file}")));
}

#[test]
fn the_sweep_stays_in_its_own_shards() {
    let runtime = runtime();
    let bucket = Bucket::in_memory(runtime.handle().clone());
    let put = |key: &str| runtime.block_on(bucket.store.put(&Path::from(key), "x".into())).map(|_| ()).unwrap();
    let others = [
        "some/prefix/run_1/README.md",
        "some/prefix/run_1/shard-00000.jsonl",
        "some/prefix/run_1/shards/deep/shard-00000.jsonl",
        "some/prefix/run_1/shards/mine.parquet",
        "some/prefix/run_1/shards/shard-00000.jsonl.old",
        "some/prefix/run_1/shards2/shard-00000.jsonl",
        "some/prefix/run_10/shards/shard-00000.jsonl",
        "some/prefix/shards/shard-00000.jsonl",
    ];
    for key in others {
        put(key);
    }
    put("some/prefix/run_1/shards/shard-00000.jsonl");
    assert_eq!(bucket.dataset("run_1").sweep(&BTreeSet::new()).unwrap(), ["shard-00000.jsonl"]);
    assert_eq!(keys(&runtime, &bucket), others);
}

#[test]
fn a_manifest_that_cannot_be_read_is_named_with_its_address() {
    let runtime = runtime();
    let dataset = Bucket::in_memory(runtime.handle().clone()).dataset("run_1");
    runtime.block_on(dataset.replace(dataset.root.clone().join(MANIFEST_FILE), "{\"schema\": 7}".into())).unwrap();
    let error = dataset.read_manifest().unwrap_err();
    assert_eq!(error.to_string(), "s3://memory/some/prefix/run_1/manifest.json");
    assert!(!error.may_pass());
}

#[test]
fn a_good_bucket_passes_the_check_and_nothing_is_left() {
    let runtime = runtime();
    let bucket = Bucket::in_memory(runtime.handle().clone());
    runtime.block_on(bucket.check("a")).unwrap();
    assert!(keys(&runtime, &bucket).is_empty());
}

#[test]
fn a_store_that_would_overwrite_shards_is_found_out() {
    let runtime = runtime();
    let good = Bucket::in_memory(runtime.handle().clone());
    let bucket = Bucket { store: Arc::new(Careless(InMemory::new(), None)), ..good };
    let error = runtime.block_on(bucket.check("a")).unwrap_err();
    assert!(matches!(error, PlaceError::Bucket { source: BucketError::Overwrites, .. }), "{error}");
    assert!(keys(&runtime, &bucket).is_empty());
}

#[test]
fn a_shard_that_arrives_cut_is_not_taken_for_published() {
    let runtime = runtime();
    let good = Bucket::in_memory(runtime.handle().clone());
    let bucket = Bucket { store: Arc::new(Careless(InMemory::new(), Some(3))), ..good };
    let error = bucket.dataset("run_1").put_shard(jsonl(0), b"rows", "a").unwrap_err();
    let PlaceError::Bucket { step: "verify", source, .. } = error else { panic!("{error}") };
    assert_eq!(source.to_string(), "4 bytes were put, 3 are there");
}

/// A store that does not know `If-None-Match`, and may keep no more than so many bytes of an object.
#[derive(Debug)]
struct Careless(InMemory, Option<usize>);

impl fmt::Display for Careless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("careless")
    }
}

#[async_trait]
impl ObjectStore for Careless {
    async fn put_opts(&self, at: &Path, payload: PutPayload, _: PutOptions) -> Result<PutResult> {
        let bytes = Bytes::from(payload);
        let kept = bytes.slice(..self.1.unwrap_or(bytes.len()));
        self.0.put_opts(at, kept.into(), PutMode::Overwrite.into()).await
    }

    async fn put_multipart_opts(&self, at: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.0.put_multipart_opts(at, options).await
    }

    async fn get_opts(&self, at: &Path, options: GetOptions) -> Result<GetResult> {
        self.0.get_opts(at, options).await
    }

    fn delete_stream(&self, all: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.0.delete_stream(all)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.copy_opts(from, to, options).await
    }
}
