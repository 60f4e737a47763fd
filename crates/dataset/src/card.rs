//! The dataset card: the `README.md` that makes the folder loadable by `datasets.load_dataset` and TRL as it stands.
//!
//! Its front matter names the Parquet shards alone; without it `datasets` would guess, and take the JSONL twins or
//! `manifest.json` for data. The text is a function of the manifest's content: accounting does not get published.
//! Keys: <https://huggingface.co/docs/hub/datasets-cards>.

use std::fmt::Write;

use crate::manifest::Manifest;
use crate::place::{MANIFEST_FILE, SHARD_DIR};
use crate::tally::WordBin;

/// Sorted, for a glob's order depends on the shell; by ending, for an orphan of a crash may lie beside the shards.
const HASH_COMMAND: &str = "sha256sum shards/*.jsonl shards/*.parquet | LC_ALL=C sort -k 2 | sha256sum";

/// What the manifest doesn't know.
#[derive(Debug, Clone, Default)]
pub struct CardOptions {
    /// Title; the dataset's name if none.
    pub title: Option<String>,
    /// Licence as the Hub spells it (`apache-2.0`); if none, the card names none, for only the owner can give one.
    pub license: Option<String>,
    /// The texts came from the built-in simulator: a rehearsal, not training data.
    pub synthetic: bool,
}

/// The text of `README.md`.
pub fn card(manifest: &Manifest, options: &CardOptions) -> String {
    let title = one_line(options.title.as_deref().unwrap_or(&manifest.name));
    [
        front_matter(manifest, &title, options.license.as_deref()),
        introduction(manifest, &title, options.synthetic),
        counts(manifest),
        lengths(manifest),
        how_to_load(),
        how_made(manifest),
    ]
    .join("\n")
}

fn front_matter(manifest: &Manifest, title: &str, license: Option<&str>) -> String {
    let mut yaml = String::from("---\n");
    if let Some(license) = license {
        line(&mut yaml, &format!("license: {}", quoted(license)));
    }
    let languages: Vec<&String> = manifest.tally.languages.keys().filter(|code| is_language_code(code)).collect();
    if !languages.is_empty() {
        line(&mut yaml, "language:");
        for code in languages {
            // Quoted: bare `no` (Norwegian) is false in YAML.
            line(&mut yaml, &format!("- {}", quoted(code)));
        }
    }
    line(&mut yaml, &format!("pretty_name: {}", quoted(title)));
    line(&mut yaml, &format!("size_categories:\n- {}", size_category(manifest.tally.rows)));
    line(&mut yaml, "task_categories:\n- text-generation");
    line(&mut yaml, "tags:\n- synthetic\n- longwriter\n- agentwrite");
    line(&mut yaml, "configs:\n- config_name: default\n  data_files:\n  - split: train");
    line(&mut yaml, &format!("    path: {SHARD_DIR}/*.parquet"));
    yaml + "---\n"
}

const REHEARSAL: &str = "\n> **Not for training.** The texts were made by Longhand's built-in simulator, not by a language \
                         model: they are synthetic filler that shows what a run leaves behind.\n";

fn introduction(manifest: &Manifest, title: &str, synthetic: bool) -> String {
    let text = format!(
        "# {title}\n\n\
         {} long writing samples, {} words in all (English words and Chinese characters). Each row has the chat \
         `messages` (instruction and answer), the `plan` that the answer was written from, word counts and the length \
         score.\n",
        grouped(manifest.tally.rows),
        grouped(manifest.tally.words.total),
    );
    if synthetic { text + REHEARSAL } else { text }
}

fn counts(manifest: &Manifest) -> String {
    let mut text = String::from("## Samples by state\n\n| state | samples |\n| --- | ---: |\n");
    for (state, samples) in &manifest.states {
        line(&mut text, &format!("| {} | {} |", cell(state), grouped(*samples)));
    }
    text
}

fn lengths(manifest: &Manifest) -> String {
    let mut text = String::from("## Words per sample\n\n| words | samples |\n| --- | ---: |\n");
    for bin in &manifest.tally.words.histogram {
        line(&mut text, &format!("| {} | {} |", bin_label(bin), grouped(bin.rows)));
    }
    text
}

fn how_to_load() -> String {
    format!(
        "## Load it\n\n\
         ```python\n\
         from datasets import load_dataset\n\n\
         dataset = load_dataset(\"path/to/this/folder\", split=\"train\")\n\
         # the same rows without this card:\n\
         dataset = load_dataset(\"parquet\", data_files=\"path/to/this/folder/{SHARD_DIR}/*.parquet\", split=\"train\")\n\
         ```\n\n\
         TRL takes it unchanged:\n\n\
         ```python\n\
         from trl import SFTTrainer\n\n\
         SFTTrainer(model=\"...\", train_dataset=dataset).train()\n\
         ```\n\n\
         The `.jsonl` files hold the same rows as the `.parquet` files beside them. `meta` is a JSON object in a string: \
         what the input rows carried besides the instruction.\n"
    )
}

fn how_made(manifest: &Manifest) -> String {
    format!(
        "## How it was made\n\n\
         Longhand ran AgentWrite (LongWriter, arXiv 2408.07055): a model plans the text as steps with word targets, \
         then writes it step by step. Answers that an endpoint reported as failed, filtered or cut, and those that a \
         gate recognised, are not in it.\n\n\
         | | |\n| --- | --- |\n\
         | planned by | {} |\n| written by | {} |\n| prompt version | {} |\n| configuration | {} |\n\
         | dataset hash | {} |\n\n\
         `{MANIFEST_FILE}` lists every file with its SHA-256. The dataset hash is the output of `{HASH_COMMAND}` in this \
         folder.\n",
        models(&manifest.models.plan),
        models(&manifest.models.write),
        code(&manifest.prompt_version),
        code(&manifest.config_hash),
        code(&manifest.dataset_hash),
    )
}

/// The Hub's closed list of sizes.
fn size_category(rows: u64) -> &'static str {
    match rows {
        0..1_000 => "n<1K",
        1_000..10_000 => "1K<n<10K",
        10_000..100_000 => "10K<n<100K",
        100_000..1_000_000 => "100K<n<1M",
        1_000_000..10_000_000 => "1M<n<10M",
        10_000_000..100_000_000 => "10M<n<100M",
        100_000_000..1_000_000_000 => "100M<n<1B",
        1_000_000_000..10_000_000_000 => "1B<n<10B",
        10_000_000_000..100_000_000_000 => "10B<n<100B",
        100_000_000_000..1_000_000_000_000 => "100B<n<1T",
        _ => "n>1T",
    }
}

/// ISO 639-1 or 639-3, which is what the Hub takes.
fn is_language_code(code: &str) -> bool {
    matches!(code.len(), 2 | 3) && code.bytes().all(|byte| byte.is_ascii_lowercase())
}

fn bin_label(bin: &WordBin) -> String {
    let from = grouped(u64::from(bin.from));
    bin.to.map_or_else(|| format!("{from} and more"), |to| format!("{from} to {}", grouped(u64::from(to - 1))))
}

/// `1234567` as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A JSON string is a double-quoted YAML scalar, whatever a name holds.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn models(names: &[String]) -> String {
    names.iter().map(|name| code(name)).collect::<Vec<_>>().join(", ")
}

/// In backticks inside a table's cell.
fn code(text: &str) -> String {
    format!("`{}`", cell(text).replace('`', "'"))
}

fn cell(text: &str) -> String {
    one_line(text).replace('|', "\\|")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests;
