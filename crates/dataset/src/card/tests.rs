use std::collections::BTreeMap;

use super::*;
use crate::{Models, OrdinalRange, Published, RowTally, ShardFile, ShardFormat, ShardName, samples};

fn manifest(name: &str) -> Manifest {
    let published = Published {
        file: ShardName::Range(0).file(ShardFormat::Parquet),
        bytes: 1,
        sha256: "00".into(),
        already_there: false,
    };
    let manifest = Manifest {
        name: name.into(),
        files: vec![ShardFile::new(&published, 30, OrdinalRange(0, 255))],
        states: BTreeMap::from([("packed".into(), 30), ("rejected".into(), 1_234)]),
        tally: RowTally::of(&samples::mixed(30)),
        models: Models { plan: vec!["a|b`c".into()], write: vec!["w".into()] },
        ..Manifest::default()
    };
    manifest.seal().unwrap()
}

#[test]
fn the_front_matter_is_what_the_hub_reads() {
    let text = card(&manifest("tea"), &CardOptions::default());
    let expected = "---\nlanguage:\n- \"en\"\npretty_name: \"tea\"\nsize_categories:\n- n<1K\ntask_categories:\n\
                    - text-generation\ntags:\n- synthetic\n- longwriter\n- agentwrite\nconfigs:\n- config_name: default\n  \
                    data_files:\n  - split: train\n    path: shards/*.parquet\n---\n";
    assert!(text.starts_with(expected), "{text}");
}

#[test]
fn a_licence_is_named_only_if_given() {
    let with = CardOptions { license: Some("apache-2.0".into()), ..CardOptions::default() };
    assert!(card(&manifest("tea"), &with).starts_with("---\nlicense: \"apache-2.0\"\n"));
    assert!(!card(&manifest("tea"), &CardOptions::default()).contains("license"));
}

#[test]
fn a_hostile_name_stays_inside_its_scalar() {
    let text = card(&manifest("tea\"\n---\nlicense: mit"), &CardOptions::default());
    assert!(text.contains("pretty_name: \"tea\\\" --- license: mit\"\n"), "{text}");
    assert_eq!(text.lines().filter(|line| *line == "---").count(), 2);
    assert!(text.contains("| planned by | `a\\|b'c` |"), "{text}");
}

#[test]
fn the_body_shows_the_manifest() {
    let text = card(&manifest("tea"), &CardOptions { title: Some("Tea stories".into()), ..CardOptions::default() });
    assert!(text.contains("# Tea stories\n\n30 long writing samples, 424,995 words in all"), "{text}");
    assert!(text.contains("| rejected | 1,234 |"));
    assert!(text.contains("| 0 to 1,999 | 3 |") && text.contains("| 20,000 and more | 9 |"), "{text}");
}

#[test]
fn accounting_is_not_published() {
    let mut other = manifest("tea");
    other.accounting.run_id = "another".into();
    other.accounting.spend_micro_usd = 5;
    assert_eq!(card(&other, &CardOptions::default()), card(&manifest("tea"), &CardOptions::default()));
}

#[test]
fn codes_that_the_hub_does_not_take_are_left_out() {
    let mut manifest = manifest("tea");
    manifest.tally.languages =
        BTreeMap::from([("no".into(), 1), ("zh-Hant".into(), 1), ("cmn".into(), 1), ("x: y".into(), 1)]);
    let text = card(&manifest, &CardOptions::default());
    assert!(text.contains("language:\n- \"cmn\"\n- \"no\"\npretty_name"), "{text}");
}

#[test]
fn sizes_are_those_of_the_hub() {
    for (rows, size) in [(0, "n<1K"), (999, "n<1K"), (1_000, "1K<n<10K"), (1_000_000, "1M<n<10M"), (u64::MAX, "n>1T")] {
        assert_eq!(size_category(rows), size);
    }
}

#[test]
fn a_rehearsal_says_so() {
    let text = card(&manifest("tea"), &CardOptions { synthetic: true, ..CardOptions::default() });
    assert!(
        text.contains("\n\n> **Not for training.** The texts were made by Longhand's built-in simulator"),
        "{text}"
    );
    assert!(!card(&manifest("tea"), &CardOptions::default()).contains("simulator"));
}
