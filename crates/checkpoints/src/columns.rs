//! Columns that hold more than a number or a word: hashes and JSON, read and written alike on every engine.

use agentwrite::ids::Hash;

/// Reads a hash column.
pub(crate) fn hash(text: &str) -> Result<Hash, sqlx::Error> {
    Hash::from_hex(text).ok_or_else(|| decode(format!("not a hash: {text:?}")))
}

/// Reads a JSON column.
pub(crate) fn json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, sqlx::Error> {
    serde_json::from_str(text).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// Writes a JSON column.
pub(crate) fn to_json<T: serde::Serialize>(value: &T) -> Result<String, sqlx::Error> {
    serde_json::to_string(value).map_err(|error| sqlx::Error::Encode(error.into()))
}

/// A column holds what no build of ours writes there.
pub(crate) fn decode(what: String) -> sqlx::Error {
    sqlx::Error::Decode(what.into())
}
