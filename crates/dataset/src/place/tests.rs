//! What every place promises, held against each of them.

use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use super::*;
use crate::shard_name::{ShardFormat, ShardName};
use crate::{Bucket, DatasetBucket, DatasetFolder, S3Settings};

/// A folder, and what must live as long as it.
fn folder() -> (TempDir, DatasetFolder) {
    let root = TempDir::new().unwrap();
    let folder = DatasetFolder::open(root.path()).unwrap();
    (root, folder)
}

/// A bucket, and what must live as long as it.
fn bucket() -> (Runtime, DatasetBucket) {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let bucket = Bucket::in_memory(runtime.handle().clone());
    (runtime, bucket.dataset("run_1"))
}

fn parquet(number: u32) -> ShardFileName {
    ShardName::Range(number).file(ShardFormat::Parquet)
}

fn a_shard_is_read_back_as_it_was_put(place: &dyn DatasetPlace) {
    assert_eq!(place.read_shard(parquet(0)).unwrap(), None);
    let published = place.put_shard(parquet(0), b"rows", "a").unwrap();
    assert_eq!(place.read_shard(parquet(0)).unwrap().as_deref(), Some(&b"rows"[..]));
    assert_eq!((published.file, published.bytes, published.already_there), (parquet(0), 4, false));
    // printf rows | sha256sum
    assert_eq!(published.sha256, "bc51e9e65d79e1c90ba544ab2eae1044ccdf8c1af7a559ba375cba4276f7d99e");
    assert_eq!(place.shard_digest(parquet(0)).unwrap(), Some((4, published.sha256)));
    assert_eq!(place.shard_digest(parquet(1)).unwrap(), None);
    assert_eq!(place.read_shard(parquet(1)).unwrap(), None);
}

fn the_same_bytes_again_are_adopted(place: &dyn DatasetPlace) {
    let first = place.put_shard(parquet(0), b"rows", "a").unwrap();
    let again = place.put_shard(parquet(0), b"rows", "b").unwrap();
    assert_eq!(again, Published { already_there: true, ..first });
}

fn other_bytes_are_a_conflict_and_change_nothing(place: &dyn DatasetPlace) {
    let first = place.put_shard(parquet(0), b"rows", "a").unwrap();
    let error = place.put_shard(parquet(0), b"other", "b").unwrap_err();
    let PlaceError::Conflict { file, existing, .. } = &error else { panic!("{error}") };
    assert_eq!((*file, existing), (parquet(0), &first.sha256));
    assert!(!error.may_pass());
    assert_eq!(place.read_shard(parquet(0)).unwrap().unwrap(), b"rows");
}

fn of_many_writers_with_different_bytes_one_wins(place: &dyn DatasetPlace) {
    let put = |number: u8| place.put_shard(parquet(0), &[number; 5000], &format!("t{number}")).is_ok();
    let wins = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16).map(|number| scope.spawn(move || put(number))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).filter(|won| *won).count()
    });
    assert_eq!(wins, 1);
    let bytes = place.read_shard(parquet(0)).unwrap().unwrap();
    assert!(bytes.len() == 5000 && bytes.iter().all(|byte| *byte == bytes[0]));
}

fn the_sweep_takes_unlisted_shards_and_nothing_else(place: &dyn DatasetPlace) {
    for number in 0..3 {
        place.put_shard(parquet(number), b"rows", "a").unwrap();
    }
    let manifest = Manifest::default().seal().unwrap();
    place.write_manifest(&manifest, "m").unwrap();
    let listed = BTreeSet::from([parquet(0), parquet(2)]);
    assert_eq!(place.sweep(&listed).unwrap(), ["shard-00001.parquet"]);
    assert_eq!(place.sweep(&listed).unwrap(), [""; 0]);
    let there = |number| place.read_shard(parquet(number)).unwrap().is_some();
    assert_eq!([0, 1, 2].map(there), [true, false, true]);
    assert_eq!(place.read_manifest().unwrap(), Some(manifest));
}

fn the_manifest_is_replaced_as_a_whole(place: &dyn DatasetPlace) {
    assert_eq!(place.read_manifest().unwrap(), None);
    for name in ["first", "second"] {
        let manifest = Manifest { name: name.into(), ..Manifest::default() }.seal().unwrap();
        place.write_manifest(&manifest, "m").unwrap();
        place.write_card(name, "c").unwrap();
        assert_eq!(place.read_manifest().unwrap(), Some(manifest));
    }
}

macro_rules! contract {
    ($($promise:ident)+) => {
        mod a_folder { $(#[test] fn $promise() { super::$promise(&super::folder().1); })+ }
        mod a_bucket { $(#[test] fn $promise() { super::$promise(&super::bucket().1); })+ }
        const PROMISES: &[(&str, fn(&dyn DatasetPlace))] = &[$((stringify!($promise), $promise)),+];
    };
}

/// The bucket's promises on a real server, each in a dataset of its own.
#[test]
#[ignore = "make test-s3"]
fn a_bucket_of_a_server_keeps_them_too() {
    let given = servers::s3::Bucket::given();
    let (_server, place) = given.map_or_else(servers::s3::Bucket::of_a_new_server, |place| (None, place));
    let variables = [
        ("AWS_ENDPOINT_URL", place.endpoint),
        ("AWS_ACCESS_KEY_ID", place.key.id),
        ("AWS_SECRET_ACCESS_KEY", place.key.secret),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value)).into();
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    // A bucket that was given may hold what an earlier test left.
    let settings = S3Settings::new(&format!("s3://{}/test-{}", place.name, std::process::id()), &variables).unwrap();
    let bucket = Bucket::connect(&settings, runtime.handle().clone()).unwrap();
    runtime.block_on(bucket.check("a")).unwrap();
    for (name, promise) in PROMISES {
        eprintln!("{name}");
        promise(&bucket.dataset(name));
    }
}

contract! {
    a_shard_is_read_back_as_it_was_put
    the_same_bytes_again_are_adopted
    other_bytes_are_a_conflict_and_change_nothing
    of_many_writers_with_different_bytes_one_wins
    the_sweep_takes_unlisted_shards_and_nothing_else
    the_manifest_is_replaced_as_a_whole
}
