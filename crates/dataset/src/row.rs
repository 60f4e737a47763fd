//! One training sample as it stands in a shard.
//!
//! A row is a pure function of the input, the accepted texts and the frozen configuration. What differs between two
//! runs that made the same texts (run id, times, attempts, endpoint, tokens, cost) has no place here; the manifest's
//! `accounting` has it. Field order is column order, in Parquet, in JSONL and in `schemas/dataset/`.

use serde::{Deserialize, Serialize};

/// A finished sample. Closed sets of words (`bound`, `layout`, ...) are listed in `schemas/dataset/row.schema.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The input's own id, else `sample_id`.
    pub id: String,
    /// Longhand's id of the sample; `longhand inspect` takes it.
    pub sample_id: String,
    /// The conversation: the input's messages unchanged, then the assistant's long answer.
    pub messages: Vec<Message>,
    /// The steps that the answer was written from, in order.
    pub plan: Vec<PlanStep>,
    /// Words of each written section (paper counter), as many as `plan` has steps.
    pub section_words: Vec<u32>,
    /// The length that the instruction asks for; none if it asks for none or is ambiguous.
    pub required_length: Option<RequiredLength>,
    /// Words of the answer, counted as in the paper (English words and Chinese characters).
    pub words: u32,
    /// Words of the answer by Unicode text segmentation (UAX 29), for the other languages.
    pub words_unicode: u32,
    /// S_l of the paper, 0 to 100; none without a required length. Finite.
    pub length_score: Option<f64>,
    /// Language of the answer as a code, none if it could not be told.
    pub language: Option<String>,
    /// Codes of the soft gates that were accepted with a mark, sorted.
    pub flags: Vec<String>,
    /// Model that planned, as configured.
    pub plan_model: String,
    /// Model that wrote, as configured.
    pub write_model: String,
    /// Hash of the prompt templates' bytes.
    pub prompt_version: String,
    /// `paper` or `turns`.
    pub layout: String,
    /// `serial` or `parallel`.
    pub mode: String,
    /// Which of several samples of one instruction, from 0.
    pub variant: u32,
    /// The input's other fields as one JSON object in a string: their types may differ from row to row, a column's may not.
    pub meta: Option<String>,
}

/// One turn of the conversation, in the form that chat templates take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// `system`, `user` or `assistant`; other roles of the input pass unchanged.
    pub role: String,
    /// The text.
    pub content: String,
}

/// One step of the plan (paper, section 3: a main point and a word count for each paragraph).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanStep {
    /// What the section is about.
    pub main_point: String,
    /// The section's target in words.
    pub words: u32,
}

/// The length that an instruction asks for. `about` has `low` = `high`; an open side is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequiredLength {
    /// `about`, `at_least`, `at_most` or `range`.
    pub bound: String,
    /// Lower edge in words, inclusive.
    pub low: Option<u32>,
    /// Upper edge in words, inclusive.
    pub high: Option<u32>,
    /// `column` (the input row says it) or `read` (from the instruction's text).
    pub source: String,
}
