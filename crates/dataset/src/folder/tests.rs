use tempfile::TempDir;

use super::*;
use crate::shard_name::{ShardFormat, ShardName};

fn folder() -> (TempDir, DatasetFolder) {
    let root = TempDir::new().unwrap();
    let folder = DatasetFolder::open(root.path()).unwrap();
    (root, folder)
}

fn parquet(number: u32) -> ShardFileName {
    ShardName::Range(number).file(ShardFormat::Parquet)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_shard_is_invisible_until_it_is_published() {
    let (_root, folder) = folder();
    let staged = folder.stage(parquet(0), b"rows", "a1").unwrap();
    assert_eq!(names(&folder.shard_dir()), ["shard-00000.parquet.tmp-a1"]);
    assert_eq!(folder.read(parquet(0)).unwrap(), None);

    let published = folder.publish(staged).unwrap();
    assert_eq!(names(&folder.shard_dir()), ["shard-00000.parquet"]);
    assert_eq!(folder.read(parquet(0)).unwrap().as_deref(), Some(&b"rows"[..]));
    assert_eq!((published.bytes, published.already_there), (4, false));
    // printf rows | sha256sum
    assert_eq!(published.sha256, "bc51e9e65d79e1c90ba544ab2eae1044ccdf8c1af7a559ba375cba4276f7d99e");
}

#[test]
fn publishing_the_same_bytes_again_succeeds() {
    let (_root, folder) = folder();
    let first = folder.publish(folder.stage(parquet(0), b"rows", "a").unwrap()).unwrap();
    let again = folder.publish(folder.stage(parquet(0), b"rows", "b").unwrap()).unwrap();
    assert_eq!(again, Published { already_there: true, ..first });
    assert_eq!(names(&folder.shard_dir()), ["shard-00000.parquet"]);
}

#[test]
fn publishing_other_bytes_is_a_conflict_and_changes_nothing() {
    let (_root, folder) = folder();
    drop(folder.publish(folder.stage(parquet(0), b"rows", "a").unwrap()).unwrap());
    let error = folder.publish(folder.stage(parquet(0), b"other", "b").unwrap()).unwrap_err();
    assert!(matches!(error, SinkError::Conflict { file, .. } if file == parquet(0)), "{error}");
    assert_eq!(names(&folder.shard_dir()), ["shard-00000.parquet"]);
    assert_eq!(folder.read(parquet(0)).unwrap().unwrap(), b"rows");
}

#[test]
fn of_many_publishers_with_different_bytes_one_wins() {
    let (_root, folder) = folder();
    let wins = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16u8)
            .map(|number| {
                let folder = &folder;
                scope.spawn(move || {
                    let staged = folder.stage(parquet(0), &[number; 5000], &format!("t{number}")).unwrap();
                    folder.publish(staged).is_ok()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).filter(|won| *won).count()
    });
    assert_eq!(wins, 1);
    let bytes = folder.read(parquet(0)).unwrap().unwrap();
    assert!(bytes.len() == 5000 && bytes.iter().all(|byte| *byte == bytes[0]));
    assert_eq!(names(&folder.shard_dir()), ["shard-00000.parquet"]);
}

#[test]
fn without_hard_links_a_taken_name_is_still_refused() {
    let (root, _folder) = folder();
    let (temp, target) = (root.path().join("temp"), root.path().join("target"));
    fs::write(&temp, b"new").unwrap();
    rename_if_free(&temp, &target).unwrap();
    assert_eq!(fs::read(&target).unwrap(), b"new");
    fs::write(&temp, b"newer").unwrap();
    assert_eq!(rename_if_free(&temp, &target).unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(fs::read(&target).unwrap(), b"new");
}

#[test]
fn the_sweep_takes_orphans_and_nothing_else() {
    let (root, folder) = folder();
    drop(folder.publish(folder.stage(parquet(0), b"rows", "done").unwrap()).unwrap());
    drop(folder.stage(parquet(1), b"rows", "dead").unwrap());
    drop(folder.stage(parquet(2), b"rows", "live").unwrap());
    for name in ["manifest.json.tmp-dead", "README.md.tmp-dead", "notes.tmp-dead", "longhand.db", "manifest.json"] {
        fs::write(root.path().join(name), b"x").unwrap();
    }
    fs::create_dir(root.path().join("README.md.tmp-folder")).unwrap();

    let removed = folder.sweep_orphans(&|suffix| suffix == "live").unwrap();
    assert_eq!(removed, ["README.md.tmp-dead", "manifest.json.tmp-dead", "shard-00001.parquet.tmp-dead"]);
    assert_eq!(names(&folder.shard_dir()), ["shard-00000.parquet", "shard-00002.parquet.tmp-live"]);
    assert_eq!(
        names(root.path()),
        ["README.md.tmp-folder", "longhand.db", "manifest.json", "notes.tmp-dead", "shards"]
    );
}

#[test]
fn shards_that_the_store_does_not_list_can_be_removed() {
    let (_root, folder) = folder();
    for number in 0..3 {
        drop(folder.publish(folder.stage(parquet(number), b"rows", "a").unwrap()).unwrap());
    }
    fs::write(folder.shard_dir().join("mine.parquet"), b"x").unwrap();
    let listed = BTreeSet::from([parquet(0), parquet(2)]);
    assert_eq!(folder.sweep_unlisted(&listed).unwrap(), ["shard-00001.parquet"]);
    assert_eq!(names(&folder.shard_dir()), ["mine.parquet", "shard-00000.parquet", "shard-00002.parquet"]);
}

#[test]
fn a_suffix_that_leaves_the_folder_is_refused() {
    let (_root, folder) = folder();
    for suffix in ["", "../x", "a/b", "a b", "ä", &"x".repeat(65)] {
        assert!(matches!(folder.stage(parquet(0), b"rows", suffix), Err(SinkError::Suffix(_))), "{suffix:?}");
        assert!(folder.write_card("text", suffix).is_err());
    }
    assert!(names(&folder.shard_dir()).is_empty());
}

#[test]
fn two_stages_with_one_suffix_do_not_share_a_file() {
    let (_root, folder) = folder();
    drop(folder.stage(parquet(0), b"rows", "same").unwrap());
    assert!(matches!(folder.stage(parquet(0), b"rows", "same"), Err(SinkError::Io { step: "stage", .. })));
}

#[test]
fn manifest_and_card_are_replaced_as_a_whole() {
    let (root, folder) = folder();
    assert_eq!(folder.read_manifest().unwrap(), None);
    for name in ["first", "second"] {
        let manifest = Manifest { name: name.into(), ..Manifest::default() }.seal().unwrap();
        folder.write_manifest(&manifest, "m").unwrap();
        folder.write_card(name, "c").unwrap();
        assert_eq!(folder.read_manifest().unwrap(), Some(manifest));
        assert_eq!(fs::read_to_string(root.path().join(CARD_FILE)).unwrap(), name);
    }
    assert_eq!(names(root.path()), ["README.md", "manifest.json", "shards"]);
}

#[test]
fn a_manifest_that_cannot_be_read_is_named_with_its_path() {
    let (root, folder) = folder();
    fs::write(root.path().join(MANIFEST_FILE), b"{\"schema\": 7}").unwrap();
    let error = folder.read_manifest().unwrap_err();
    assert!(error.to_string().ends_with("manifest.json"), "{error}");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(source, "manifest schema is 7, this build reads 1");
}
