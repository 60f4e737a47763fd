//! I7: every published shard's files are in place with the bytes that were published, and the manifest lists no other.

use std::collections::BTreeSet;

use agentwrite::ports::{PublishedShard, ShardFile};
use dataset::{DatasetPlace, MANIFEST_FILE, PlaceError, ShardFileName};

use crate::fault::chain_of;

/// `("I7", subject, what)` of everything that is wrong. `settled`: the run is done, so the manifest has no excuse for
/// being behind. Blocks, and reads all shards through.
///
/// # Errors
/// A bucket that cannot be asked: what it holds is not known, which is another thing than wrong.
pub(super) fn violations(
    place: &dyn DatasetPlace,
    published: &[PublishedShard],
    settled: bool,
) -> Result<Vec<(String, String, String)>, PlaceError> {
    let files: Vec<&ShardFile> = published.iter().flat_map(|shard| &shard.files).collect();
    let mut found = Vec::new();
    for file in &files {
        found.extend(wrong(place, file)?.map(|what| (file.name.clone(), what)));
    }
    found.extend(manifest(place, &files, settled)?);
    Ok(found.into_iter().map(|(subject, what)| ("I7".to_owned(), subject, what)).collect())
}

/// What is wrong with a shard's file.
fn wrong(place: &dyn DatasetPlace, file: &ShardFile) -> Result<Option<String>, PlaceError> {
    let Ok(name) = file.name.parse::<ShardFileName>() else {
        return Ok(Some("is not the name of a shard file".to_owned()));
    };
    Ok(match place.shard_digest(name) {
        Ok(Some((size, _))) if size != file.bytes => Some(format!("has {size} bytes, {} were published", file.bytes)),
        Ok(Some((_, hash))) if hash != file.sha256 => Some("has other bytes than were published".to_owned()),
        Ok(Some(_)) => None,
        Ok(None) => Some("is missing".to_owned()),
        Err(error) => Some(complaint(error)?),
    })
}

/// A file that cannot be read is a violation.
fn complaint(error: PlaceError) -> Result<String, PlaceError> {
    if matches!(error, PlaceError::Bucket { .. }) { Err(error) } else { Ok(chain_of(&error)) }
}

/// Where the manifest and the store disagree.
fn manifest(
    place: &dyn DatasetPlace,
    files: &[&ShardFile],
    settled: bool,
) -> Result<Vec<(String, String)>, PlaceError> {
    let complain = |what: String| Ok(vec![(MANIFEST_FILE.to_owned(), what)]);
    let manifest = match place.read_manifest() {
        Ok(Some(manifest)) => manifest,
        Ok(None) => {
            return if settled && !files.is_empty() { complain("is missing".to_owned()) } else { Ok(Vec::new()) };
        }
        Err(PlaceError::Manifest { source, .. }) => return complain(format!("cannot be taken: {}", chain_of(&source))),
        Err(error) => return complain(complaint(error)?),
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
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use agentwrite::ports::Range;
    use dataset::{DatasetFolder, SHARD_DIR};

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
            let found = violations(&DatasetFolder::at(dir.path()), &[shard], false).unwrap();
            found.into_iter().map(|(_, _, what)| what).collect::<Vec<_>>()
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
        let place = DatasetFolder::at(dir.path());
        assert!(manifest(&place, &files, false).unwrap().is_empty());
        assert_eq!(manifest(&place, &files, true).unwrap()[0].1, "is missing");
        std::fs::write(dir.path().join(MANIFEST_FILE), "{}").unwrap();
        assert!(manifest(&place, &files, false).unwrap()[0].1.starts_with("cannot be taken"));
        std::fs::remove_file(dir.path().join(MANIFEST_FILE)).unwrap();
        assert!(std::fs::read_dir(dir.path()).unwrap().next().is_none(), "looking made something");
    }
}
