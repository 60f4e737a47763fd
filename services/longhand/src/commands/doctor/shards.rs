//! I7: every published shard's files are in place with the bytes that were published, and the manifest lists no other.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use agentwrite::ports::{PublishedShard, ShardFile};
use dataset::{MANIFEST_FILE, Manifest, SHARD_DIR};
use sha2::{Digest, Sha256};

/// Bytes read at a time.
const CHUNK: usize = 1 << 20;

/// `("I7", subject, what)` of everything that is wrong. `settled`: the run is done, so the manifest has no excuse for
/// being behind.
pub(super) fn violations(dir: &Path, published: &[PublishedShard], settled: bool) -> Vec<(String, String, String)> {
    let files: Vec<&ShardFile> = published.iter().flat_map(|shard| &shard.files).collect();
    let mut found: Vec<(String, String)> = files
        .iter()
        .filter_map(|file| wrong(&dir.join(SHARD_DIR).join(&file.name), file).map(|what| (file.name.clone(), what)))
        .collect();
    found.extend(manifest(dir, &files, settled));
    found.into_iter().map(|(subject, what)| ("I7".to_owned(), subject, what)).collect()
}

/// What is wrong with a shard's file.
fn wrong(path: &Path, file: &ShardFile) -> Option<String> {
    match digest(path) {
        Ok((size, _)) if size != file.bytes => Some(format!("has {size} bytes, {} were published", file.bytes)),
        Ok((_, hash)) if hash != file.sha256 => Some("has other bytes than were published".to_owned()),
        Ok(_) => None,
        Err(error) if error.kind() == ErrorKind::NotFound => Some("is missing".to_owned()),
        Err(error) => Some(format!("cannot be read: {error}")),
    }
}

/// Size and SHA-256 in hexadecimal.
fn digest(path: &Path) -> std::io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let (mut hasher, mut size, mut chunk) = (Sha256::new(), 0, vec![0; CHUNK]);
    loop {
        let read = file.read(&mut chunk)?;
        if read == 0 {
            break;
        }
        size += read as u64;
        hasher.update(&chunk[..read]);
    }
    let mut hash = String::with_capacity(64);
    for byte in hasher.finalize() {
        let _ = write!(hash, "{byte:02x}");
    }
    Ok((size, hash))
}

/// Where the manifest and the store disagree.
fn manifest(dir: &Path, files: &[&ShardFile], settled: bool) -> Vec<(String, String)> {
    let complain = |what: String| vec![(MANIFEST_FILE.to_owned(), what)];
    let bytes = match std::fs::read(dir.join(MANIFEST_FILE)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return if settled && !files.is_empty() { complain("is missing".to_owned()) } else { Vec::new() };
        }
        Err(error) => return complain(format!("cannot be read: {error}")),
    };
    let manifest = match Manifest::from_json(&bytes) {
        Ok(manifest) => manifest,
        Err(error) => return complain(format!("cannot be taken: {}", crate::fault::chain_of(&error))),
    };
    let stored: BTreeSet<(&str, &str)> = files.iter().map(|file| (file.name.as_str(), file.sha256.as_str())).collect();
    let bare = |name: &str| name.rsplit('/').next().unwrap_or(name).to_owned();
    let listed: BTreeSet<(String, String)> =
        manifest.files.iter().map(|file| (bare(&file.name), file.sha256.clone())).collect();
    let mut found = Vec::new();
    for (name, hash) in &listed {
        if !stored.contains(&(name.as_str(), hash.as_str())) {
            found.push((MANIFEST_FILE.to_owned(), format!("lists {name}, which was not published with these bytes")));
        }
    }
    for (name, hash) in stored.iter().filter(|_| settled) {
        if !listed.contains(&((*name).to_owned(), (*hash).to_owned())) {
            found.push((MANIFEST_FILE.to_owned(), format!("does not list {name}")));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use agentwrite::ports::Range;

    fn shard(name: &str, bytes: u64, sha256: &str) -> PublishedShard {
        let file = ShardFile { name: name.to_owned(), format: "jsonl".to_owned(), bytes, sha256: sha256.to_owned() };
        PublishedShard { range: Range::Main(0), rows: 1, ordinals: (0, 0), files: vec![file] }
    }

    #[test]
    fn a_missing_a_longer_and_a_changed_file_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join(SHARD_DIR)).unwrap();
        let path = dir.path().join(SHARD_DIR).join("shard-00000.jsonl");
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let said = |shard: PublishedShard| {
            violations(dir.path(), &[shard], false).into_iter().map(|(_, _, what)| what).collect::<Vec<_>>()
        };
        assert_eq!(said(shard("shard-00000.jsonl", 3, abc)), ["is missing"]);
        std::fs::write(&path, "abc").unwrap();
        assert!(said(shard("shard-00000.jsonl", 3, abc)).is_empty());
        assert_eq!(said(shard("shard-00000.jsonl", 4, abc)), ["has 3 bytes, 4 were published"]);
        std::fs::write(&path, "abd").unwrap();
        assert_eq!(said(shard("shard-00000.jsonl", 3, abc)), ["has other bytes than were published"]);
    }

    #[test]
    fn a_done_run_needs_its_manifest_and_a_running_one_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let files = [&ShardFile { name: "a".into(), format: "jsonl".into(), bytes: 0, sha256: String::new() }];
        assert!(manifest(dir.path(), &files, false).is_empty());
        assert_eq!(manifest(dir.path(), &files, true)[0].1, "is missing");
        std::fs::write(dir.path().join(MANIFEST_FILE), "{}").unwrap();
        assert!(manifest(dir.path(), &files, false)[0].1.starts_with("cannot be taken"));
    }
}
