//! An endpoint in a process of its own: `longhand simulate-llm`.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::child::{Child, Usage};
use super::http::{get, post};
use super::until::until_some;

/// A running simulator; stopped when dropped.
#[derive(Debug)]
pub struct Simulator {
    child: Child,
    url: String,
}

/// One look at `GET /stats`.
#[derive(Debug, Clone, PartialEq)]
pub struct Stats(pub Value);

impl Stats {
    /// A counter by its name in the JSON; 0 if it is not there.
    pub fn count(&self, name: &str) -> u64 {
        self.0[name].as_u64().unwrap_or(0)
    }

    /// A time in milliseconds by its name, if it is set.
    pub fn milliseconds(&self, name: &str) -> Option<f64> {
        self.0[name].as_f64()
    }

    /// Planted faults of all kinds.
    pub fn faults(&self) -> u64 {
        let kinds = self.0["faults"].as_object();
        kinds.into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum()
    }
}

impl Simulator {
    /// Starts `binary simulate-llm --listen 127.0.0.1:0 ARGS...` and waits for the line that names its port.
    pub fn start<S: AsRef<str>>(binary: impl AsRef<Path>, args: &[S]) -> Self {
        Self::start_at(binary, "127.0.0.1:0", args)
    }

    /// The same at an address of one's own, such as that of a simulator which was killed.
    pub fn start_at<S: AsRef<str>>(binary: impl AsRef<Path>, address: &str, args: &[S]) -> Self {
        let mut command = Command::new(binary.as_ref());
        command.args(["simulate-llm", "--listen", address]).args(args.iter().map(AsRef::as_ref));
        let mut child = Child::start(&mut command);
        let url = until_some(Duration::from_secs(20), "the simulator says where it listens", || {
            let printed = child.stdout();
            assert!(child.ended().is_none(), "the simulator stopped: {}", child.stderr());
            printed.contains('\n').then(|| printed.trim().to_owned())
        });
        Self { child, url }
    }

    /// Its base URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its host and port.
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://").trim_end_matches("/v1")
    }

    /// What it has counted.
    pub fn stats(&self) -> Stats {
        Stats(get(self.address(), "/stats").expect("the simulator answers"))
    }

    /// The same with complete answers by instruction and step.
    pub fn stats_by_step(&self) -> Stats {
        Stats(get(self.address(), "/stats?steps=1").expect("the simulator answers"))
    }

    /// From now on it takes so many requests a minute; any number if none.
    pub fn set_rpm(&self, rpm: Option<u32>) {
        post(self.address(), "/limits", &json!({ "rpm": rpm })).expect("the simulator answers");
    }

    /// Waits until it has seen more than `requests` requests; gives how long that took.
    #[track_caller]
    pub fn until_more_requests_than(&self, requests: u64, most: Duration) -> Duration {
        let start = Instant::now();
        until_some(most, "the endpoint gets a call", || (self.stats().count("requests") > requests).then_some(()));
        start.elapsed()
    }

    /// What the process has used.
    pub fn usage(&mut self) -> Usage {
        self.child.usage()
    }

    /// Its process, for signals.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }
}
