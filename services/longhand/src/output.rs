//! Where data goes: stdout, of which a reader may take as much as it likes (`longhand samples out | head`).

use std::io::{ErrorKind, Stdout, Write};

use crate::fault::{Exit, Fault};

/// Stdout that nobody has to read to its end: once the reader is gone, what is written is dropped.
pub struct Data {
    stdout: Stdout,
    closed: bool,
}

impl Data {
    /// The process's stdout.
    pub fn stdout() -> Self {
        Self { stdout: std::io::stdout(), closed: false }
    }

    fn or_gone<T>(&mut self, result: std::io::Result<T>, dropped: T) -> std::io::Result<T> {
        match result {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(dropped)
            }
            result => result,
        }
    }
}

impl Write for Data {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.closed {
            return Ok(bytes.len());
        }
        let written = self.stdout.write(bytes);
        self.or_gone(written, bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let flushed = self.stdout.flush();
        self.or_gone(flushed, ())
    }
}

/// Writes a text as it is.
pub fn put(out: &mut dyn Write, text: &str) -> Result<(), Fault> {
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Fault::new("output", Exit::Unreachable, "the output cannot be written").because(error))
}

/// Writes a JSON document on one line.
pub fn put_json(out: &mut dyn Write, value: &serde_json::Value) -> Result<(), Fault> {
    put(out, &format!("{value}\n"))
}

/// Model text as a terminal may show it: nothing in it moves the cursor or changes the screen.
pub fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c }).collect()
}
