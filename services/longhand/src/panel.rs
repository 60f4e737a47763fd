//! The live panel: drawn in place on a terminal, one logfmt line every 10 s otherwise. People read it, so it goes to
//! stderr.
//!
//! [`Feed`] reads the store and reckons a [`PanelView`]; [`render`] and [`logfmt`] turn it into text; [`Panel`] shows it.

mod beside;
mod feed;
mod render;
#[cfg(test)]
mod tests;
mod view;

use std::fmt::Write as _;
use std::io::{IsTerminal, Stderr, Write};
use std::time::Duration;

use agentwrite::ids::Timestamp;
use beside::Drawn;

pub use beside::BesidePanel;
pub use feed::Feed;
pub use render::{logfmt, render};
pub use view::PanelView;

/// Between two lines of a log.
const LOG_EVERY: Duration = Duration::from_secs(10);
/// Columns where nobody says how many there are. Longer lines are clipped by the terminal, never wrapped.
const COLUMNS: usize = 100;

/// What the panel is drawn on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    /// A terminal that moves its cursor.
    Terminal {
        /// Its width.
        columns: usize,
        /// Whether colours are welcome.
        colour: bool,
    },
    /// A log.
    Log,
}

impl Surface {
    /// What stderr is.
    pub fn of_stderr() -> Self {
        Self::of(std::io::stderr().is_terminal())
    }

    /// What stdout is.
    pub fn of_stdout() -> Self {
        Self::of(std::io::stdout().is_terminal())
    }

    /// `NO_COLOR`, `TERM=dumb` and `COLUMNS` are obeyed.
    fn of(terminal: bool) -> Self {
        let environment = crate::settings::environment();
        let set = |name: &str| environment.get(name).filter(|value| !value.is_empty());
        if !terminal || set("TERM").is_some_and(|term| term == "dumb") {
            return Self::Log;
        }
        let columns = set("COLUMNS").and_then(|columns| columns.parse().ok()).unwrap_or(COLUMNS);
        Self::Terminal { columns: columns.max(20), colour: set("NO_COLOR").is_none() }
    }
}

/// The panel.
pub struct Panel<W: Write = Stderr> {
    out: W,
    surface: Surface,
    drawn: Drawn,
    logged: Option<Timestamp>,
}

impl Panel {
    /// A panel on stderr.
    pub fn new() -> Self {
        Self { drawn: Drawn::on_stderr(), ..Self::on(std::io::stderr(), Surface::of_stderr()) }
    }
}

impl<W: Write> Panel<W> {
    /// A panel on something else.
    pub fn on(out: W, surface: Surface) -> Self {
        Self { out, surface, drawn: Drawn::default(), logged: None }
    }

    /// Shows a view; the last one stays. A stderr that cannot be written is no reason to stop working.
    pub fn show(&mut self, view: &PanelView, last: bool) {
        let _ = match self.surface {
            Surface::Terminal { columns, colour } => self.redraw(&render(view, columns, colour), last),
            Surface::Log => self.log(view.at, last, || logfmt(view)),
        };
    }

    /// Shows something else in the same way: `lines` for a terminal of so many columns, or `line` for a log.
    pub fn show_text(
        &mut self,
        at: Timestamp,
        last: bool,
        lines: impl FnOnce(usize) -> String,
        line: impl FnOnce() -> String,
    ) {
        let _ = match self.surface {
            Surface::Terminal { columns, .. } => self.redraw(&lines(columns), last),
            Surface::Log => self.log(at, last, line),
        };
    }

    fn redraw(&mut self, text: &str, last: bool) -> std::io::Result<()> {
        let mut frame = String::with_capacity(text.len() + 64);
        let mut lines = self.drawn.lock();
        // No wrapping while the panel is drawn: a wrapped line would move all others.
        frame.push_str("\x1b[?7l");
        if *lines > 0 {
            let _ = write!(frame, "\x1b[{lines}A");
        }
        for line in text.lines() {
            frame.push_str("\r\x1b[2K");
            frame.push_str(line);
            frame.push('\n');
        }
        frame.push_str("\x1b[J\x1b[?7h");
        *lines = if last { 0 } else { text.lines().count() };
        self.out.write_all(frame.as_bytes())?;
        self.out.flush()
    }

    fn log(&mut self, at: Timestamp, last: bool, line: impl FnOnce() -> String) -> std::io::Result<()> {
        let due = self.logged.is_none_or(|logged| at.since(logged) >= LOG_EVERY);
        if !due && !last {
            return Ok(());
        }
        self.logged = Some(at);
        writeln!(self.out, "{}", line())
    }
}
