//! Lines of a pipe, whatever is in it: cut at a greatest length, not always UTF-8, perhaps without an end.

use std::io::{BufRead, BufReader, Read};

use tokio::sync::mpsc;

/// Longest line that is kept; the rest of it is dropped.
const LONGEST: usize = 1 << 20;
/// Lines that wait to be taken; a backend that says more waits too.
const WAITING: usize = 256;

/// The lines of a pipe, read on a thread of their own that ends with the pipe.
pub(crate) fn lines_of(pipe: impl Read + Send + 'static) -> std::io::Result<mpsc::Receiver<String>> {
    let (sender, lines) = mpsc::channel(WAITING);
    std::thread::Builder::new().name("backend-lines".to_owned()).spawn(move || {
        let mut reader = BufReader::new(pipe);
        // Nobody listens any more: what is said is still taken, so that nobody is blocked.
        while let Some(line) = next_line(&mut reader) {
            let _ = sender.blocking_send(line);
        }
    })?;
    Ok(lines)
}

/// The next line; `None` once the pipe has ended or broken.
fn next_line(reader: &mut impl BufRead) -> Option<String> {
    let mut line = Vec::new();
    let mut any = false;
    loop {
        let bytes = reader.fill_buf().unwrap_or_default();
        if bytes.is_empty() {
            return any.then(|| text(&line));
        }
        any = true;
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let taken = end.unwrap_or(bytes.len());
        let room = LONGEST.saturating_sub(line.len());
        line.extend_from_slice(&bytes[..taken.min(room)]);
        reader.consume(taken + usize::from(end.is_some()));
        if end.is_some() {
            return Some(text(&line));
        }
    }
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).trim_end_matches('\r').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_cut_mended_and_never_lost() {
        let mut bytes = b"one\r\n\xff\xfe two\n\n".to_vec();
        bytes.extend(std::iter::repeat_n(b'x', LONGEST + 10));
        bytes.extend(b"\nlast");
        let mut lines = lines_of(std::io::Cursor::new(bytes)).unwrap();
        assert_eq!(lines.recv().await.as_deref(), Some("one"));
        assert_eq!(lines.recv().await.as_deref(), Some("\u{fffd}\u{fffd} two"));
        assert_eq!(lines.recv().await.as_deref(), Some(""));
        assert_eq!(lines.recv().await.map(|line| line.len()), Some(LONGEST));
        assert_eq!(lines.recv().await.as_deref(), Some("last"));
        assert_eq!(lines.recv().await, None);
    }
}
