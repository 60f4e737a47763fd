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
    assert_eq!(folder.read_shard(parquet(0)).unwrap(), None);

    let published = folder.publish(staged).unwrap();
    assert_eq!(names(&folder.shard_dir()), ["shard-00000.parquet"]);
    assert_eq!(folder.read_shard(parquet(0)).unwrap().as_deref(), Some(&b"rows"[..]));
    assert_eq!((published.bytes, published.already_there), (4, false));
    // printf rows | sha256sum
    assert_eq!(published.sha256, "bc51e9e65d79e1c90ba544ab2eae1044ccdf8c1af7a559ba375cba4276f7d99e");
}

#[test]
fn adopted_refused_and_raced_files_leave_nothing_staged() {
    let (_root, folder) = folder();
    std::thread::scope(|scope| {
        for number in 0..16u8 {
            let folder = &folder;
            scope.spawn(move || folder.put_shard(parquet(0), &[number % 2; 5000], &format!("t{number}")).is_ok());
        }
    });
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
    folder.put_shard(parquet(0), b"rows", "done").unwrap();
    drop(folder.stage(parquet(1), b"rows", "dead").unwrap());
    for name in ["manifest.json.tmp-dead", "README.md.tmp-dead", "notes.tmp-dead", "longhand.db", "manifest.json"] {
        fs::write(root.path().join(name), b"x").unwrap();
    }
    fs::write(folder.shard_dir().join("mine.parquet"), b"x").unwrap();
    fs::create_dir(root.path().join("README.md.tmp-folder")).unwrap();

    let removed = folder.sweep(&BTreeSet::from([parquet(0)])).unwrap();
    assert_eq!(removed, ["README.md.tmp-dead", "manifest.json.tmp-dead", "shard-00001.parquet.tmp-dead"]);
    assert_eq!(names(&folder.shard_dir()), ["mine.parquet", "shard-00000.parquet"]);
    assert_eq!(
        names(root.path()),
        ["README.md.tmp-folder", "longhand.db", "manifest.json", "notes.tmp-dead", "shards"]
    );
}

#[test]
fn a_suffix_that_leaves_the_folder_is_refused() {
    let (_root, folder) = folder();
    for suffix in ["", "../x", "a/b", "a b", "ä", &"x".repeat(65)] {
        assert!(matches!(folder.stage(parquet(0), b"rows", suffix), Err(PlaceError::Suffix(_))), "{suffix:?}");
        assert!(folder.write_card("text", suffix).is_err());
    }
    assert!(names(&folder.shard_dir()).is_empty());
}

#[test]
fn two_stages_with_one_suffix_do_not_share_a_file() {
    let (_root, folder) = folder();
    drop(folder.stage(parquet(0), b"rows", "same").unwrap());
    assert!(matches!(folder.stage(parquet(0), b"rows", "same"), Err(PlaceError::Io { step: "stage", .. })));
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
