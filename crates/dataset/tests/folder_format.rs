//! A dataset folder is read as its card says, by a reader that knows only the card: the rows are the manifest's.
//! `load_dataset.py` beside this file does the same with the real `datasets`.

mod made_up_folder;

use std::fs;
use std::path::{Path, PathBuf};

use dataset::{ShardFormat, decode_jsonl, decode_parquet};
use sha2::{Digest, Sha256};

/// `split` and the files of its `path`, from the one entry that the front matter may have.
fn train_files(root: &Path) -> Vec<PathBuf> {
    let card = fs::read_to_string(root.join("README.md")).expect("a card");
    let front_matter = card.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n")).expect("front matter").0;
    let (_, configs) = front_matter.split_once("\nconfigs:\n").expect("configs");
    let lines: Vec<&str> = configs.lines().map(str::trim).collect();
    let [config, data_files, split, path] = lines[..] else { panic!("one configuration, one split: {lines:?}") };
    assert_eq!((config, data_files, split), ("- config_name: default", "data_files:", "- split: train"));
    let glob = path.strip_prefix("path: ").expect("path");

    let (folder, pattern) = glob.split_once('/').expect("a glob inside a folder");
    let ending = pattern.strip_prefix('*').expect("a star, then an ending");
    let mut files: Vec<PathBuf> = fs::read_dir(root.join(folder))
        .expect("the glob's folder")
        .map(|entry| entry.expect("a readable folder").path())
        .collect();
    files.retain(|file| file.to_string_lossy().ends_with(ending));
    files.sort();
    files
}

#[test]
fn the_card_leads_to_exactly_the_rows_of_the_manifest() {
    let root = tempfile::tempdir().unwrap();
    let manifest = made_up_folder::write(root.path()).unwrap();

    let files = train_files(root.path());
    let listed: Vec<PathBuf> =
        manifest.files_as(ShardFormat::Parquet).map(|file| root.path().join(&file.name)).collect();
    assert_eq!(files, listed);

    let mut ids = Vec::new();
    for file in &files {
        ids.extend(decode_parquet(&fs::read(file).unwrap()).unwrap().into_iter().map(|row| row.id));
    }
    assert_eq!(ids.len() as u64, manifest.tally.rows);
    assert_eq!((ids.first().unwrap().as_str(), ids.last().unwrap().as_str()), ("row-0", "row-300"));
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 109, "no row twice");
}

#[test]
fn files_have_the_hashes_of_the_manifest_and_twins_hold_the_same_rows() {
    let root = tempfile::tempdir().unwrap();
    let manifest = made_up_folder::write(root.path()).unwrap();
    assert_eq!(manifest.files.len(), 6);
    let mut lines = String::new();
    for file in &manifest.files {
        let bytes = fs::read(root.path().join(&file.name)).unwrap();
        assert_eq!((bytes.len() as u64, format!("{:x}", Sha256::digest(&bytes))), (file.bytes, file.sha256.clone()));
        lines.extend([file.sha256.as_str(), "  ", file.name.as_str(), "\n"]);
        if file.format == "jsonl" {
            let twin = fs::read(root.path().join(file.name.replace(".jsonl", ".parquet"))).unwrap();
            assert_eq!(decode_jsonl(&bytes).unwrap(), decode_parquet(&twin).unwrap());
        }
    }
    assert_eq!(manifest.dataset_hash, format!("{:x}", Sha256::digest(lines)));
}

/// The card tells its readers this command.
#[cfg(target_os = "linux")]
#[test]
fn the_command_of_the_card_prints_the_dataset_hash() {
    let root = tempfile::tempdir().unwrap();
    let manifest = made_up_folder::write(root.path()).unwrap();
    let card = fs::read_to_string(root.path().join("README.md")).unwrap();
    let command = card.split('`').find(|text| text.starts_with("sha256sum ")).expect("a command in the card");
    let output = std::process::Command::new("sh").args(["-c", command]).current_dir(&root).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{}  -\n", manifest.dataset_hash));
}
