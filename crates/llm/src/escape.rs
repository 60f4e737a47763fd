//! The escapes of a JSON string, as `serde_json` writes them. They are made byte by byte, so a text may be cut anywhere.

/// Bytes that are looked at together: most blocks of a text hold nothing to escape.
const BLOCK: usize = 32;

/// Appends `text` as it stands between the quotes of a JSON string.
pub(crate) fn escape(text: &[u8], out: &mut Vec<u8>) {
    for block in text.chunks(BLOCK) {
        // no early end, so that the compiler looks at many bytes at a time
        if block.iter().fold(false, |found, byte| found | is_escaped(*byte)) {
            for byte in block {
                push(*byte, out);
            }
        } else {
            out.extend_from_slice(block);
        }
    }
}

/// Bytes that [`escape`] will append.
pub(crate) fn escaped_len(text: &[u8]) -> usize {
    let more = |block: &[u8]| usize::from(block.iter().map(|byte| more_bytes(*byte)).sum::<u8>());
    text.len() + text.chunks(BLOCK).map(more).sum::<usize>()
}

const fn is_escaped(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

/// How much longer a byte gets: at most five, so that a block's sum is a byte again.
const fn more_bytes(byte: u8) -> u8 {
    let short = matches!(byte, b'\n' | b'\r' | b'\t' | 0x08 | 0x0c);
    is_escaped(byte) as u8 + 4 * (byte < b' ' && !short) as u8
}

fn push(byte: u8, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let letter = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        0..0x20 => {
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            return;
        }
        _ => return out.push(byte),
    };
    out.extend_from_slice(&[b'\\', letter]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_is_written_as_serde_json_does_in_every_place_of_a_block() {
        let all: String = (0..0x3000_u32).chain(0x1f600..0x1f610).filter_map(char::from_u32).collect();
        for before in 0..BLOCK {
            let text = format!("{}{all}", "x".repeat(before));
            let mut out = Vec::new();
            escape(text.as_bytes(), &mut out);
            let quoted = serde_json::to_vec(&text).unwrap();
            assert_eq!(out, quoted[1..quoted.len() - 1]);
            assert_eq!(out.len(), escaped_len(text.as_bytes()));
        }
        assert_eq!(escaped_len(&[1; BLOCK]), 6 * BLOCK);
    }
}
