//! What a person sees when something cannot be done: `error[code]: what`, the cause, the command that helps; and the exit
//! code.

use std::fmt::Write as _;

/// Exit codes of the command line (a contract).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// The command worked, the work has failures.
    WorkFailed = 1,
    /// Usage or configuration.
    Usage = 2,
    /// A dependency is unreachable, or an internal error.
    Unreachable = 3,
    /// Authentication.
    Auth = 4,
    /// Stopped by a limit; resumable.
    Limit = 5,
    /// Not found.
    NotFound = 6,
    /// Conflict.
    Conflict = 7,
    /// Ctrl-C, after a clean drain.
    Interrupted = 130,
    /// SIGTERM, after a clean drain.
    Terminated = 143,
}

/// An error for a person.
#[derive(Debug)]
pub struct Fault {
    /// The code in brackets.
    pub code: &'static str,
    /// The process's exit code.
    pub exit: Exit,
    /// What cannot be done, with its place.
    pub what: String,
    /// Why.
    pub cause: Option<String>,
    /// The command or change that helps.
    pub help: Option<String>,
}

impl Fault {
    /// A fault.
    pub fn new(code: &'static str, exit: Exit, what: impl Into<String>) -> Self {
        Self { code, exit, what: what.into(), cause: None, help: None }
    }

    /// A usage or configuration fault.
    pub fn usage(code: &'static str, what: impl Into<String>) -> Self {
        Self::new(code, Exit::Usage, what)
    }

    /// Why.
    #[must_use]
    pub fn because(mut self, cause: impl std::fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// What helps.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// As printed on stderr.
    pub fn render(&self) -> String {
        let mut out = format!("error[{}]: {}", self.code, self.what);
        if let Some(cause) = &self.cause {
            let _ = write!(out, "\n  cause: {cause}");
        }
        if let Some(help) = &self.help {
            let _ = write!(out, "\n  help: {help}");
        }
        out
    }
}

/// The whole chain of an error's sources in one line.
pub fn chain_of(error: &(dyn std::error::Error + 'static)) -> String {
    let mut out = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let text = error.to_string();
        if !out.contains(&text) {
            let _ = write!(out, ": {text}");
        }
        source = error.source();
    }
    out
}

impl From<agentwrite::ports::StoreError> for Fault {
    fn from(error: agentwrite::ports::StoreError) -> Self {
        Self::new("storage", Exit::Unreachable, "the checkpoint store failed").because(chain_of(&error))
    }
}
