//! The first command of the README.

use agentwrite::sample::SampleState;
use harness::process::Folder;

use crate::{MOST, longhand, root, scratch};

#[test]
fn the_first_command_ends_with_shards_and_a_second_one_calls_nothing() {
    let scratch = scratch();
    let out = scratch.path().join("demo");
    let first = longhand(&["run", "examples/instructions.jsonl", "--simulate", "--out"]).arg(&out).within(root());
    let ended = first.finish(MOST).expect_code(0);
    assert!(ended.stderr.contains("synthetic"), "it says that the text is synthetic: {}", ended.stderr);
    assert!(ended.stderr.contains("done: 12 samples"), "{}", ended.stderr);

    let folder = Folder::at(&out);
    let store = folder.store();
    assert_eq!((store.count(SampleState::Packed), store.samples.len()), (12, 12));
    assert_eq!(store.violations, []);
    let rows = folder.rows();
    let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    let given: Vec<Option<&str>> = store.samples.iter().map(|sample| sample.id.as_deref()).collect();
    assert_eq!(ids.iter().copied().map(Some).collect::<Vec<_>>(), given, "rows keep the input's ids, in its order");
    assert_eq!(folder.manifest()["tally"]["rows"], 12);
    let card = std::fs::read_to_string(out.join("README.md")).unwrap();
    assert!(card.starts_with("---\n") && card.contains("data_files"), "{card}");

    let (shards, manifest) = (folder.shard_bytes(), folder.manifest_content());
    first.finish(MOST).expect_code(0);
    assert_eq!(folder.store().totals.calls, store.totals.calls, "nothing is called again");
    assert_eq!((folder.shard_bytes(), folder.manifest_content()), (shards, manifest));
}
