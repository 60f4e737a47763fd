//! Sample gates, shards, manifest and card: from written samples to a folder that training loads.
//!
//! The way of a sample: [`judge_sample`] (gates on one text) -> a range whose samples are all settled closes, with the
//! near-duplicate gate over its texts in ordinal order -> [`row_of`] -> files -> published in the store -> manifest, card.
//!
//! Promises:
//! - the same texts give byte-identical files, whatever the order in which samples finished and whoever died on the way;
//! - a range is frozen in the store before its files are made, and published after they are durable: a crash between the
//!   two is mended at the next start from what was frozen;
//! - nothing here makes a call, so [`repack`] can apply other thresholds to stored text.
//!
//! To add a sample gate: `agentwrite::gates::sample`, and its code in `judge`.

mod blocking;
mod catalogue;
mod duplicates;
mod error;
mod judge;
mod manifest;
mod packer;
mod repack;
mod row;
mod shard;

pub use error::PackError;
pub use judge::judge_sample;
pub use packer::{Packer, PackerParts, PackerSettings};
pub use repack::{RepackReport, RepackSource, repack};
pub use row::row_of;
