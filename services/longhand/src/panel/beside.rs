//! Stderr is shared by the panel and by messages: a message takes the panel away, and the next look draws it again below.

use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

/// How many lines of a panel stand at the bottom of a terminal.
#[derive(Debug, Clone, Default)]
pub(super) struct Drawn(Arc<Mutex<usize>>);

impl Drawn {
    /// Those of stderr.
    pub fn on_stderr() -> Self {
        static STDERR: LazyLock<Drawn> = LazyLock::new(Drawn::default);
        STDERR.clone()
    }

    /// Nobody else writes while this is held.
    pub fn lock(&self) -> MutexGuard<'_, usize> {
        // Each holder sets one number: a panic cannot leave it half set.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a message where the panel stood.
    pub fn write(&self, out: &mut dyn Write, message: &[u8]) -> std::io::Result<()> {
        let mut lines = self.lock();
        if *lines > 0 {
            write!(out, "\x1b[{lines}A\r\x1b[J")?;
            *lines = 0;
        }
        out.write_all(message)
    }
}

/// Stderr for messages.
pub struct BesidePanel;

impl Write for BesidePanel {
    fn write(&mut self, message: &[u8]) -> std::io::Result<usize> {
        Drawn::on_stderr().write(&mut std::io::stderr(), message)?;
        Ok(message.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}
