//! A dataset folder as a run leaves it, with everything in it that could mislead a reader: the store, JSONL twins, a
//! half-staged shard, a first shard whose optional columns are all null, an empty range and a supplementary shard.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;

use dataset::{
    CardOptions, DatasetFolder, DatasetPlace, Manifest, Message, Models, OrdinalRange, PlanStep, RequiredLength, Row,
    RowTally, ShardFile, ShardFormat, ShardName, card, encode_jsonl, encode_parquet,
};

/// Writes the folder and returns its manifest.
pub fn write(root: &Path) -> Result<Manifest, Box<dyn Error>> {
    let folder = DatasetFolder::open(root)?;
    let bare: Vec<Row> = (0..100).map(bare_row).collect();
    let filled: Vec<Row> = (512..520).map(filled_row).collect();
    let supplement = vec![filled_row(300)];

    let mut manifest = Manifest {
        name: "made up".into(),
        empty_ranges: vec![OrdinalRange(256, 511)],
        states: BTreeMap::from([("packed".into(), 109), ("failed".into(), 3)]),
        models: Models { plan: vec!["planner-model".into()], write: vec!["writer-model".into()] },
        prompt_version: "9f2c".into(),
        config_hash: "77aa".into(),
        ..Manifest::default()
    };
    for (shard, rows, ordinals) in [
        (ShardName::Range(0), &bare, OrdinalRange(0, 255)),
        (ShardName::Range(2), &filled, OrdinalRange(512, 767)),
        (ShardName::Supplement(1), &supplement, OrdinalRange(300, 300)),
    ] {
        for (format, bytes) in
            [(ShardFormat::Parquet, encode_parquet(rows)?), (ShardFormat::Jsonl, encode_jsonl(rows)?)]
        {
            let published = folder.put_shard(shard.file(format), &bytes, "a1b2")?;
            manifest.files.push(ShardFile::new(&published, rows.len() as u64, ordinals));
        }
        manifest.tally.merge(&RowTally::of(rows));
    }
    let manifest = manifest.seal()?;
    folder.write_manifest(&manifest, "a1b2")?;
    folder.write_card(&card(&manifest, &CardOptions::default()), "a1b2")?;

    let orphan = encode_parquet(&[filled_row(600)])?;
    let orphaned = folder.shard_path(ShardName::Range(3).file(ShardFormat::Parquet));
    fs::write(orphaned.with_added_extension("tmp-orphan"), &orphan)?;
    fs::write(root.join("longhand.db"), b"SQLite format 3\0")?;
    Ok(manifest)
}

fn bare_row(ordinal: u32) -> Row {
    Row {
        required_length: None,
        length_score: None,
        language: None,
        flags: Vec::new(),
        meta: None,
        ..filled_row(ordinal)
    }
}

fn filled_row(ordinal: u32) -> Row {
    let answer = format!("### Part {ordinal}\n\n茶 and tea. ").repeat(200);
    Row {
        id: format!("row-{ordinal}"),
        sample_id: format!("sample-{ordinal}"),
        messages: vec![
            Message { role: "user".into(), content: format!("Write about tea, number {ordinal}.") },
            Message { role: "assistant".into(), content: answer },
        ],
        plan: vec![PlanStep { main_point: "Tea".into(), words: 1_000 }],
        section_words: vec![1_000],
        required_length: Some(RequiredLength {
            bound: "at_least".into(),
            low: Some(1_000),
            high: None,
            source: "read".into(),
        }),
        words: 1_000,
        words_unicode: 1_000,
        length_score: Some(97.5),
        language: Some("en".into()),
        flags: vec!["recap".into()],
        plan_model: "planner-model".into(),
        write_model: "writer-model".into(),
        prompt_version: "9f2c".into(),
        layout: "paper".into(),
        mode: "serial".into(),
        variant: 0,
        meta: Some(r#"{"topic":"茶"}"#.into()),
    }
}
