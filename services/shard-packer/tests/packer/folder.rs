//! What stands in a dataset folder, for comparing.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use dataset::{DatasetFolder, DatasetPlace, Manifest, Row, ShardFormat, decode_jsonl, decode_parquet};

/// Files by name; the manifest without its accounting, which no two runs share.
pub fn content(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for folder in [root.to_owned(), root.join("shards")] {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if entry.file_type().unwrap().is_file() && !name.starts_with("longhand.db") {
                files.insert(name, fs::read(entry.path()).unwrap());
            }
        }
    }
    if let Some(json) = files.get_mut("manifest.json") {
        let manifest = Manifest::from_json(json).unwrap();
        *json = manifest.content_hash().unwrap().into_bytes();
    }
    files
}

/// The manifest, after everything that it and the card promise has been checked.
pub fn checked_manifest(root: &Path) -> (Manifest, Vec<Row>) {
    let manifest = DatasetFolder::open(root).unwrap().read_manifest().unwrap().expect("a manifest");
    let card = fs::read_to_string(root.join("README.md")).unwrap();
    assert!(card.contains("    path: shards/*.parquet\n---\n"), "{card}");
    assert!(card.contains(&manifest.dataset_hash), "the card shows the manifest of today");
    assert!(card.contains("built-in simulator"), "the run is a rehearsal");
    let mut rows = Vec::new();
    for file in manifest.files_as(ShardFormat::Parquet) {
        let read = |name: &str| fs::read(root.join(name)).unwrap();
        let shard = decode_parquet(&read(&file.name)).unwrap();
        assert_eq!(shard, decode_jsonl(&read(&file.name.replace("parquet", "jsonl"))).unwrap());
        assert_eq!(shard.len() as u64, file.rows);
        rows.extend(shard);
    }
    let listed: Vec<String> = manifest.files.iter().map(|file| file.name.replace("shards/", "")).collect();
    let there: Vec<String> = content(root).into_keys().filter(|name| name.starts_with("shard-")).collect();
    assert_eq!(listed, there);
    (manifest, rows)
}
