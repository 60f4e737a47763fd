//! The form of a log: records one after another, each with its length and a checksum.
//!
//! ```text
//! answer NUMBER LENGTH CHECKSUM\n   LENGTH bytes of JSON (agentwrite::ports::RecordResult)\n
//! done NUMBER 0 CHECKSUM\n\n
//! ```

use std::collections::BTreeMap;

use agentwrite::ids::Hash;

/// Longer than any first line.
const LONGEST_HEAD: usize = 80;

/// What a record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    /// An answer was kept.
    Answer,
    /// The store has it.
    Done,
}

impl Says {
    const fn word(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Done => "done",
        }
    }
}

fn checksum(says: Says, number: u64, text: &str) -> u64 {
    Hash::of("spool", &[says.word(), &number.to_string(), text]).to_u64()
}

/// A record's bytes.
pub(super) fn record(says: Says, number: u64, text: &str) -> Vec<u8> {
    let (word, length, checksum) = (says.word(), text.len(), checksum(says, number, text));
    format!("{word} {number} {length} {checksum:016x}\n{text}\n").into_bytes()
}

/// What a log says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    /// Answers that were not marked as done, in the order in which they came.
    pub(super) open: BTreeMap<u64, String>,
    /// Bytes at the end that are no whole record: what a kill cut off.
    pub(super) torn: usize,
}

/// Reads a log up to the first record that is not whole. What stands behind that was never reported as kept.
pub(super) fn read(mut bytes: &[u8]) -> Contents {
    let mut contents = Contents::default();
    while let Some((says, number, text, rest)) = first(bytes) {
        match says {
            Says::Answer => {
                contents.open.insert(number, text.to_owned());
            }
            Says::Done => {
                contents.open.remove(&number);
            }
        }
        bytes = rest;
    }
    contents.torn = bytes.len();
    contents
}

fn first(bytes: &[u8]) -> Option<(Says, u64, &str, &[u8])> {
    let end = bytes.iter().take(LONGEST_HEAD).position(|byte| *byte == b'\n')?;
    let mut head = std::str::from_utf8(&bytes[..end]).ok()?.split(' ');
    let says = match head.next()? {
        "answer" => Says::Answer,
        "done" => Says::Done,
        _ => return None,
    };
    let number: u64 = head.next()?.parse().ok()?;
    let length: usize = head.next()?.parse().ok()?;
    let expected = u64::from_str_radix(head.next()?, 16).ok()?;
    let body = bytes.get(end + 1..)?;
    let text = std::str::from_utf8(body.get(..length)?).ok()?;
    let rest = body.get(length..)?.strip_prefix(b"\n")?;
    (checksum(says, number, text) == expected).then_some((says, number, text, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> Vec<u8> {
        [
            record(Says::Answer, 1, "{\"a\":1}"),
            record(Says::Answer, 2, "{\"b\":\"zwei\"}"),
            record(Says::Done, 1, ""),
            record(Says::Answer, 3, "{}"),
        ]
        .concat()
    }

    #[test]
    fn what_is_done_is_not_open() {
        let contents = read(&log());
        assert_eq!(
            contents.open.into_iter().collect::<Vec<_>>(),
            [(2, "{\"b\":\"zwei\"}".to_owned()), (3, "{}".to_owned())]
        );
        assert_eq!(contents.torn, 0);
    }

    #[test]
    fn a_log_cut_anywhere_holds_what_was_whole() {
        let whole = log();
        let ends = [record(Says::Answer, 1, "{\"a\":1}").len(), whole.len() - record(Says::Answer, 3, "{}").len()];
        for cut in 0..whole.len() {
            let contents = read(&whole[..cut]);
            assert!(contents.torn <= cut);
            assert_eq!(contents.open.contains_key(&1), cut >= ends[0] && cut < ends[1], "cut at {cut}");
            assert!(!contents.open.contains_key(&3), "cut at {cut}");
        }
    }

    #[test]
    fn a_changed_byte_ends_the_log() {
        let whole = log();
        let last = whole.len() - record(Says::Answer, 3, "{}").len();
        for at in last..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0x01;
            assert!(!read(&changed).open.contains_key(&3), "byte {at}");
        }
    }
}
