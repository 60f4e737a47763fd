//! Names of things: newtypes over text, hashes, and points in time.

use serde::{Deserialize, Serialize};

macro_rules! text_id {
    ($(#[doc = $doc:literal])+ $name:ident) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps a text that is such an id.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// One job over many instructions: `run_...`.
    RunId
);
text_id!(
    /// One instruction on its way to one training example: `smp_...`, a hash of the normalised input, the same in every run.
    SampleId
);
text_id!(
    /// One try at a task: `att_...`.
    AttemptId
);
text_id!(
    /// A process that claims tasks; one id per start of a process.
    OwnerId
);

text_id!(
    /// One job that trains one model on shards: `trn_...`.
    TrainingId
);

/// A point in time: milliseconds since 1970-01-01 UTC. Always an argument, never read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// This time plus a duration.
    #[must_use]
    pub fn after(self, duration: std::time::Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The time from `earlier` to this one; zero if it lies ahead.
    pub fn since(self, earlier: Self) -> std::time::Duration {
        std::time::Duration::from_millis(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }
}

/// A BLAKE3 hash of named, length-prefixed parts: no two different lists of parts share an encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash([u8; 32]);

impl Hash {
    /// Hashes `parts` under a domain name.
    pub fn of<T: AsRef<[u8]>>(domain: &str, parts: &[T]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(domain.len() as u64).to_le_bytes());
        hasher.update(domain.as_bytes());
        for part in parts {
            hasher.update(&(part.as_ref().len() as u64).to_le_bytes());
            hasher.update(part.as_ref());
        }
        Self(*hasher.finalize().as_bytes())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first eight bytes as a number, for seeds.
    pub fn to_u64(self) -> u64 {
        let mut first = [0; 8];
        first.copy_from_slice(&self.0[..8]);
        u64::from_le_bytes(first)
    }

    /// 64 lower-case hexadecimal digits.
    pub fn to_hex(self) -> String {
        blake3::Hash::from_bytes(self.0).to_hex().to_string()
    }

    /// Reads 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        blake3::Hash::from_hex(text).ok().map(|hash| Self(*hash.as_bytes()))
    }

    /// The first `len` characters of the hash in Crockford's base 32 (no i, l, o, u): what ids are made of.
    pub fn short(&self, len: usize) -> String {
        const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        (0..len.min(50))
            .map(|index| {
                let bit = index * 5;
                let pair = u16::from_be_bytes([self.0[bit / 8], self.0[bit / 8 + 1]]);
                char::from(DIGITS[usize::from(pair >> (11 - bit % 8) & 31)])
            })
            .collect()
    }
}

impl std::fmt::Display for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl Serialize for Hash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_hex())
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_hex(&text).ok_or_else(|| serde::de::Error::custom(format!("not a hash: {text:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_length_prefixed() {
        assert_ne!(Hash::of("d", &["ab", "c"]), Hash::of("d", &["a", "bc"]));
        assert_ne!(Hash::of("d", &["a"]), Hash::of("e", &["a"]));
    }

    #[test]
    fn hex_reads_back_and_short_ids_keep_to_the_alphabet() {
        let hash = Hash::of("d", &["x"]);
        assert_eq!(Hash::from_hex(&hash.to_hex()), Some(hash));
        let id = hash.short(16);
        assert_eq!(id.len(), 16);
        assert!(id.bytes().all(|byte| b"0123456789abcdefghjkmnpqrstvwxyz".contains(&byte)));
    }
}
