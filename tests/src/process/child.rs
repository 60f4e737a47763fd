//! A process: started, signalled, waited for, with what it printed and what it used.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::until::until_some;

/// Linux counts CPU time in this many ticks a second (`USER_HZ`).
const TICKS: f64 = 100.0;

/// A signal that an operator or a supervisor sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// What a supervisor sends first.
    Terminate,
    /// `kill -9`.
    Kill,
    /// Stops the process where it is.
    Stop,
    /// Lets it go on.
    Continue,
}

/// What a process used.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// User and system time in seconds.
    pub cpu_seconds: f64,
    /// Largest resident memory in bytes, as last seen.
    pub peak_rss_bytes: u64,
}

/// How a process ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// All of stdout.
    pub stdout: String,
    /// All of stderr.
    pub stderr: String,
    /// What it used.
    pub usage: Usage,
    /// From its start to its end as seen here.
    pub wall: Duration,
}

#[expect(clippy::return_self_not_must_use, reason = "assertions that may be chained")]
impl Ended {
    /// Panics with everything that was printed unless the exit code is `code`.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "signal {:?}\n{}\n{}", self.signal, self.stdout, self.stderr);
        self
    }

    /// Panics unless exactly one `error[code]` was printed, this one, and nothing panicked.
    #[track_caller]
    pub fn expect_error(self, exit: i32, code: &str) -> Self {
        let ended = self.expect_code(exit);
        let errors: Vec<&str> = ended.stderr.lines().filter(|line| line.starts_with("error")).collect();
        assert!(errors.len() == 1 && errors[0].starts_with(&format!("error[{code}]: ")), "{}", ended.stderr);
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        ended
    }

    /// Panics unless stderr holds `text`.
    #[track_caller]
    pub fn expect_stderr(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "stderr lacks {text:?}:\n{}", self.stderr);
        self
    }
}

/// A running process. Killed when dropped.
#[derive(Debug)]
pub struct Child {
    process: std::process::Child,
    printed: TempDir,
    started: Instant,
    usage: Usage,
}

impl Child {
    /// Starts a process; its output goes to files that can be read while it runs.
    pub fn start(command: &mut Command) -> Self {
        let printed = TempDir::new().expect("a temporary folder can be made");
        let file = |name: &str| File::create(printed.path().join(name)).expect("a temporary file can be made");
        command.stdin(Stdio::null()).stdout(file("stdout")).stderr(file("stderr"));
        let started = Instant::now();
        let process = command.spawn().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        Self { process, printed, started, usage: Usage::default() }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Since its start.
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    fn read(&self, name: &str) -> String {
        let bytes = fs::read(self.printed.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// What it printed on stdout so far.
    pub fn stdout(&self) -> String {
        self.read("stdout")
    }

    /// What it printed on stderr so far.
    pub fn stderr(&self) -> String {
        self.read("stderr")
    }

    /// Sends a signal.
    pub fn signal(&mut self, signal: Signal) {
        let name = match signal {
            Signal::Interrupt => "INT",
            Signal::Terminate => "TERM",
            Signal::Kill => return self.process.kill().unwrap_or_default(),
            Signal::Stop => "STOP",
            Signal::Continue => "CONT",
        };
        let pid = self.pid();
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).stderr(Stdio::null()).status();
        sent.expect("there is a shell");
    }

    /// What it has used so far.
    pub fn usage(&mut self) -> Usage {
        let proc = PathBuf::from(format!("/proc/{}", self.pid()));
        if let Some(seconds) = fs::read_to_string(proc.join("stat")).ok().as_deref().and_then(cpu_seconds) {
            self.usage.cpu_seconds = seconds;
        }
        // A process that has ended shows no memory any more, so the last look counts.
        if let Some(bytes) = fs::read_to_string(proc.join("status")).ok().as_deref().and_then(peak_rss) {
            self.usage.peak_rss_bytes = self.usage.peak_rss_bytes.max(bytes);
        }
        self.usage
    }

    /// Its status if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        // Before it is reaped its times can still be read.
        self.usage();
        self.process.try_wait().expect("a child can be waited for")
    }

    /// Waits for its end. Kills it and panics after `most`.
    #[track_caller]
    pub fn wait(mut self, most: Duration) -> Ended {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.ended() {
                break status;
            }
            if start.elapsed() > most {
                self.signal(Signal::Kill);
                panic!("after {most:?} it still runs:\n{}\n{}", self.stdout(), self.stderr());
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        Ended {
            code: status.code(),
            signal: status.signal(),
            stdout: self.stdout(),
            stderr: self.stderr(),
            usage: self.usage,
            wall: self.started.elapsed(),
        }
    }

    /// Kills it as a crash would.
    pub fn kill(mut self) -> Ended {
        self.signal(Signal::Kill);
        self.wait(Duration::from_secs(10))
    }

    /// Waits until stderr holds `text`.
    #[track_caller]
    pub fn until_stderr(&self, text: &str, most: Duration) {
        until_some(most, &format!("stderr holds {text:?}"), || self.stderr().contains(text).then_some(()));
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Fields 14 and 15 of `/proc/PID/stat`; the name in field 2 may hold spaces.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS)
}

/// `VmHWM` of `/proc/PID/status`.
fn peak_rss(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_files_are_read() {
        let stat = "7 (a b) c) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(peak_rss("Name:\tx\nVmHWM:\t    2048 kB\n"), Some(2 << 20));
    }

    #[test]
    fn codes_signals_output_and_usage_are_seen() {
        let ended = Child::start(Command::new("sh").args(["-c", "echo out; echo error >&2; exit 7"]))
            .wait(Duration::from_secs(10));
        assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(7), "out\n", "error\n"));
        let mut child = Child::start(Command::new("sleep").arg("60"));
        child.signal(Signal::Terminate);
        assert_eq!(child.wait(Duration::from_secs(10)).signal, Some(15));
        let mut busy = Child::start(Command::new("sh").args(["-c", "while :; do :; done"]));
        super::super::until(Duration::from_secs(10), "it works", || busy.usage().cpu_seconds > 0.05);
        assert!(busy.usage().peak_rss_bytes > 100_000);
        assert_eq!(busy.kill().signal, Some(9));
    }
}
