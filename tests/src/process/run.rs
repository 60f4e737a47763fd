//! `longhand run` on a folder.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::child::{Child, Ended};

/// A command of the binary: built, then started once or again and again.
#[derive(Debug, Clone)]
pub struct Run {
    binary: PathBuf,
    args: Vec<OsString>,
    environment: Vec<(String, String)>,
    folder: Option<PathBuf>,
}

impl Run {
    /// Any command of the binary.
    pub fn of<S: Into<OsString>>(binary: impl Into<PathBuf>, args: impl IntoIterator<Item = S>) -> Self {
        let args = args.into_iter().map(Into::into).collect();
        Self { binary: binary.into(), args, environment: Vec::new(), folder: None }
    }

    /// `run INSTRUCTIONS --out DIR` against an endpoint at `url`, without a question.
    pub fn on(binary: impl Into<PathBuf>, instructions: &Path, out: &Path, url: &str) -> Self {
        Self::of(binary, ["run".as_ref(), instructions.as_os_str()]).arg("--out").arg(out).args([
            "--base-url",
            url,
            "--model",
            "simulated",
            "--yes",
        ])
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// More arguments.
    #[must_use]
    pub fn args<S: Into<OsString>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// A variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// The folder it works in.
    #[must_use]
    pub fn within(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// The process to start: our variables only, so that a developer's own settings or keys have no part in a test.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(&self.args);
        self.prepare(&mut command);
        command
    }

    /// The same under `sh -c`, after `before` (such as `ulimit -f 100`).
    pub fn command_after(&self, before: &str) -> Command {
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("{before}; exec \"$0\" \"$@\"")).arg(&self.binary).args(&self.args);
        self.prepare(&mut command);
        command
    }

    fn prepare(&self, command: &mut Command) {
        command.env_clear().env("RUST_BACKTRACE", "0");
        command.envs(std::env::vars_os().filter(|(name, _)| name == "PATH" || name == "HOME" || name == "TMPDIR"));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
    }

    /// Starts it.
    pub fn start(&self) -> Child {
        Child::start(&mut self.command())
    }

    /// Starts it and waits for its end.
    #[track_caller]
    pub fn finish(&self, most: Duration) -> Ended {
        self.start().wait(most)
    }
}
