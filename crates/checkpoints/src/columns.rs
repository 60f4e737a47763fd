//! Columns that hold more than a number or a word: hashes, JSON, states; read and written alike on every engine.

use agentwrite::ids::Hash;
use agentwrite::ports::{RunState, TrainingEnd, TrainingState};
use agentwrite::sample::SampleState;

/// A row holds what no build of ours writes there, or an intent fits no row.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unsound(pub(crate) String);

impl From<Unsound> for sqlx::Error {
    fn from(error: Unsound) -> Self {
        Self::Decode(error.into())
    }
}

impl From<Unsound> for rusqlite::Error {
    fn from(error: Unsound) -> Self {
        Self::FromSqlConversionFailure(0, rusqlite::types::Type::Text, error.into())
    }
}

/// Reads a hash column.
pub(crate) fn hash(text: &str) -> Result<Hash, Unsound> {
    Hash::from_hex(text).ok_or_else(|| Unsound(format!("not a hash: {text:?}")))
}

/// Reads a hash column that holds its bytes.
pub(crate) fn hash_of_bytes(bytes: &[u8]) -> Result<Hash, Unsound> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |half: u8| char::from(DIGITS[usize::from(half)]);
    hash(&bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect::<String>())
}

/// Reads a JSON column.
pub(crate) fn json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Unsound> {
    serde_json::from_str(text).map_err(|error| Unsound(error.to_string()))
}

/// Writes a JSON column.
pub(crate) fn to_json<T: serde::Serialize>(value: &T) -> Result<String, Unsound> {
    serde_json::to_string(value).map_err(|error| Unsound(error.to_string()))
}

/// Reads the state of a sample.
pub(crate) fn sample_state(text: &str) -> Result<SampleState, Unsound> {
    SampleState::read(text).ok_or_else(|| Unsound(format!("not a sample state: {text:?}")))
}

/// Reads the state of a training job.
pub(crate) fn training_state(text: &str) -> Result<TrainingState, Unsound> {
    TrainingState::read(text).ok_or_else(|| Unsound(format!("not a training state: {text:?}")))
}

/// The state and reason that a job is given back with.
pub(crate) fn training_end(end: &TrainingEnd) -> (TrainingState, Option<&str>) {
    match end {
        TrainingEnd::Released => (TrainingState::Running, None),
        TrainingEnd::Stopped(reason) => (TrainingState::Stopped, Some(reason)),
        TrainingEnd::Failed(reason) => (TrainingState::Failed, Some(reason)),
    }
}

/// Reads the state of a run.
pub(crate) fn run_state(text: &str) -> Result<RunState, Unsound> {
    RunState::read(text).ok_or_else(|| Unsound(format!("not a run state: {text:?}")))
}
