use serde_json::{Value, json};

use super::*;
use crate::{Published, ShardName, samples};

type Change = fn(&mut Manifest);

fn entry(shard: ShardName, format: ShardFormat, rows: u64, first: u64) -> ShardFile {
    let file = shard.file(format);
    let published =
        Published { file, bytes: 1_000 + first, sha256: sha256_hex(file.to_string().as_bytes()), already_there: false };
    ShardFile::new(&published, rows, OrdinalRange(first, first + 255))
}

fn manifest() -> Manifest {
    let (parquet, jsonl) = (ShardFormat::Parquet, ShardFormat::Jsonl);
    Manifest {
        name: "tea".into(),
        files: vec![
            entry(ShardName::Supplement(1), parquet, 1, 7),
            entry(ShardName::Range(1), parquet, 2, 256),
            entry(ShardName::Range(0), parquet, 4, 0),
            entry(ShardName::Range(0), jsonl, 4, 0),
        ],
        empty_ranges: vec![OrdinalRange(512, 767)],
        states: BTreeMap::from([("packed".into(), 7), ("failed".into(), 2)]),
        tally: RowTally::of(&samples::mixed(7)),
        models: Models { plan: vec!["p".into()], write: vec!["w".into(), "v".into(), "w".into()] },
        prompt_version: "9f2c".into(),
        config_hash: "77aa".into(),
        accounting: Accounting {
            run_id: "0192".into(),
            submitted_at: "2026-11-01T08:00:00Z".into(),
            written_at: "2026-11-02T08:00:00Z".into(),
            attempts: BTreeMap::from([("committed".into(), 90), ("wasted".into(), 1)]),
            prompt_tokens: 1_000_000,
            cached_prompt_tokens: 950_000,
            completion_tokens: 80_000,
            spend_micro_usd: 12_340_000,
            suspect_micro_usd: 0,
        },
        ..Manifest::default()
    }
}

fn sealed() -> Manifest {
    manifest().seal().unwrap()
}

fn schema_file(name: &str) -> Value {
    let path = format!("{}/../../schemas/dataset/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))).unwrap()
}

#[test]
fn sealing_puts_files_and_models_in_order() {
    let sealed = sealed();
    let names: Vec<&str> = sealed.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "shards/shard-00000.jsonl",
            "shards/shard-00000.parquet",
            "shards/shard-00001.parquet",
            "shards/shard-s0001.parquet"
        ]
    );
    assert_eq!(sealed.models.write, ["v", "w"]);
    assert_eq!(sealed.files_as(ShardFormat::Parquet).map(|file| file.rows).sum::<u64>(), 7);
}

#[test]
fn a_manifest_comes_back_as_it_was() {
    let text = sealed().to_json().unwrap();
    assert!(text.starts_with("{\n  \"schema\": 1,\n  \"name\": \"tea\",") && text.ends_with("}\n"));
    assert!(text.contains("\"accounting\": {\n    \"run_id\": \"0192\""));
    assert_eq!(Manifest::from_json(text.as_bytes()).unwrap(), sealed());
    let empty = Manifest::default().seal().unwrap();
    assert_eq!(Manifest::from_json(empty.to_json().unwrap().as_bytes()).unwrap(), empty);
}

/// Published datasets outlive releases: this file is never changed, a new version gets its own beside it.
#[test]
fn manifests_of_version_1_stay_readable() {
    let golden = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/manifest.v1.json")).unwrap();
    let manifest = Manifest::from_json(&golden).unwrap();
    assert_eq!(manifest, sealed());
    assert_eq!(manifest.content_hash().unwrap(), "752a841b5e27ab6c77e9f458aa4febfdaf00f80e7cc7c19937ee4092cf4d67c6");
}

#[test]
fn accounting_is_outside_every_hash() {
    let mut other = manifest();
    other.accounting = Accounting { run_id: "another".into(), ..Accounting::default() };
    let other = other.seal().unwrap();
    assert_eq!(other.content_hash().unwrap(), sealed().content_hash().unwrap());
    assert_eq!(other.dataset_hash, sealed().dataset_hash);
}

#[test]
fn everything_else_is_inside_the_content_hash() {
    let changes: [Change; 11] = [
        |m| m.schema += 1,
        |m| m.name.push('x'),
        |m| m.files[0].sha256.push('0'),
        |m| m.files[0].ordinals.1 += 1,
        |m| m.empty_ranges.clear(),
        |m| *m.states.entry("packed".into()).or_default() += 1,
        |m| m.tally.words.total += 1,
        |m| m.models.plan.clear(),
        |m| m.prompt_version.push('x'),
        |m| m.config_hash.push('x'),
        |m| m.dataset_hash.push('x'),
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut other = sealed();
        change(&mut other);
        assert_ne!(other.content_hash().unwrap(), sealed().content_hash().unwrap(), "change {number}");
    }
}

#[test]
fn the_dataset_hash_is_what_sha256sum_makes_of_the_files() {
    let mut lines = String::new();
    for file in &sealed().files {
        lines.extend([file.sha256.as_str(), "  ", file.name.as_str(), "\n"]);
    }
    assert!(lines.lines().all(|line| line.len() > 64 && line.as_bytes()[64..66] == *b"  "));
    assert_eq!(sealed().dataset_hash, sha256_hex(lines.as_bytes()));
    assert_eq!(Manifest::default().dataset_hash, sha256_hex(b""));
}

#[test]
fn another_version_is_named_before_anything_else() {
    for (text, message) in [
        (r#"{"schema": 2, "shards": []}"#, "manifest schema is 2, this build reads 1"),
        (r#"{"schema": "1"}"#, "manifest schema is \"1\", this build reads 1"),
        (r#"{"name": "x"}"#, "manifest schema is missing, this build reads 1"),
        ("[]", "manifest schema is missing, this build reads 1"),
    ] {
        assert_eq!(Manifest::from_json(text.as_bytes()).unwrap_err().to_string(), message);
    }
    assert!(matches!(Manifest::from_json(b"{\"schema\": 1,"), Err(ManifestError::Json(_))));
}

#[test]
fn unknown_fields_are_refused() {
    let mut json = serde_json::to_value(sealed()).unwrap();
    json["extra"] = json!(1);
    let error = Manifest::from_json(json.to_string().as_bytes()).unwrap_err();
    assert!(matches!(&error, ManifestError::Json(source) if source.to_string().contains("extra")), "{error}");
}

#[test]
fn contradictions_are_found_when_sealing_and_when_reading() {
    let breaks: [(&str, Change); 8] = [
        ("hold 8 rows, the tally 7", |m| m.files[0].rows += 1),
        ("listed twice", |m| m.files.push(m.files[0].clone())),
        ("other bins", |m| m.tally.words.histogram[3].from += 1),
        ("the histogram holds 8", |m| m.tally.words.histogram[3].rows += 1),
        ("no Parquet twin", |m| m.files[3].rows += 1),
        ("no Parquet twin", |m| m.files[3].name = "shards/shard-00009.jsonl".into()),
        ("is called csv", |m| m.files[3].format = "csv".into()),
        ("not a shard", |m| m.files[3].name = "shards/../shard-00000.jsonl".into()),
    ];
    for (message, change) in breaks {
        let mut broken = manifest();
        change(&mut broken);
        let error = broken.seal().unwrap_err();
        let text = format!("{error} {:?}", std::error::Error::source(&error));
        assert!(text.contains(message), "{text}");
    }
    let mut broken = sealed();
    broken.files[1].sha256 = sha256_hex(b"swapped");
    let error = Manifest::from_json(&serde_json::to_vec(&broken).unwrap()).unwrap_err();
    assert!(error.to_string().contains("`dataset_hash` is not that of the files"), "{error}");
}

#[test]
fn json_schema_names_the_same_fields_in_the_same_order() {
    let schema = schema_file("manifest.schema.json");
    let json = serde_json::to_value(sealed()).unwrap();
    for (definition, value) in [
        ("", "/"),
        ("/$defs/file", "/files/0"),
        ("/$defs/tally", "/tally"),
        ("/$defs/words", "/tally/words"),
        ("/$defs/bin", "/tally/words/histogram/0"),
        ("/$defs/models", "/models"),
        ("/$defs/accounting", "/accounting"),
    ] {
        let value = if value == "/" { &json } else { json.pointer(value).unwrap() };
        let names: Vec<&String> = value.as_object().unwrap().keys().collect();
        let definition = if definition.is_empty() { &schema } else { schema.pointer(definition).unwrap() };
        assert_eq!(definition["properties"].as_object().unwrap().keys().collect::<Vec<_>>(), names);
        assert_eq!(definition["required"], json!(names), "every field is always written");
        assert_eq!(definition["additionalProperties"], json!(false));
    }
    assert_eq!(schema["properties"]["schema"], json!({ "const": MANIFEST_VERSION }));
}
