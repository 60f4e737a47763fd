//! Prometheus, from Debian's package: `promtool`, which reads rules and tries them on series, and the server itself.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Installs nothing but the programs: no service is started.
const INSTALL: &str = r"
set -e
export DEBIAN_FRONTEND=noninteractive
if [ ! -e /usr/sbin/policy-rc.d ]; then
  printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
  chmod 755 /usr/sbin/policy-rc.d
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
apt-get -o DPkg::Lock::Timeout=600 update -qq
apt-get -o DPkg::Lock::Timeout=600 install -y -qq --no-install-recommends prometheus
";

/// How long the server may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program of the package, installed first where it is missing.
fn program(name: &str) -> PathBuf {
    static DONE: OnceLock<()> = OnceLock::new();
    let there = || Path::new("/usr/bin").join(name);
    DONE.get_or_init(|| {
        if !there().exists() {
            let output = Command::new("sh").args(["-c", INSTALL]).output().expect("sh runs");
            assert!(
                output.status.success() && there().exists(),
                "Prometheus cannot be installed (as root: apt-get install prometheus): {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
    });
    there()
}

/// `promtool ARGS...` in a folder.
pub fn promtool(folder: &Path, args: &[&str]) -> Output {
    Command::new(program("promtool")).args(args).current_dir(folder).output().expect("promtool runs")
}

/// What is scraped under one name.
#[derive(Debug, Clone)]
pub struct Job<'a> {
    /// The label `job`.
    pub name: &'a str,
    /// `host:port` of each process.
    pub targets: Vec<String>,
    /// The page.
    pub path: &'a str,
    /// Families that RabbitMQ is asked for.
    pub families: &'a [&'a str],
}

impl<'a> Job<'a> {
    /// `/metrics` of some processes.
    pub fn new(name: &'a str, targets: Vec<String>) -> Self {
        Self { name, targets, path: "/metrics", families: &[] }
    }

    fn configuration(&self) -> String {
        let Self { name, targets, path, families } = self;
        format!(
            "  - {{ job_name: {name}, metrics_path: {path}, params: {{ family: {families:?} }}, static_configs: \
             [{{ targets: {targets:?} }}] }}\n"
        )
    }
}

/// A server; ended when dropped.
#[derive(Debug)]
pub struct Prometheus {
    process: Child,
    address: String,
    _folder: TempDir,
}

impl Prometheus {
    /// Starts one that scrapes every second. Its data is in a temporary folder.
    pub fn start(jobs: &[Job<'_>]) -> Self {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let jobs: String = jobs.iter().map(Job::configuration).collect();
        let config = format!("global: {{ scrape_interval: 1s, scrape_timeout: 1s }}\nscrape_configs:\n{jobs}");
        let path = folder.path().join("prometheus.yml");
        std::fs::write(&path, config).expect("the configuration");
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr()).expect("a free port");
        let log = File::create(folder.path().join("log")).expect("a temporary file can be made");
        let process = Command::new(program("prometheus"))
            .arg(format!("--config.file={}", path.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={port}"))
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("an open file"))
            .stderr(log)
            .spawn()
            .expect("prometheus starts");
        let server = Self { process, address: port.to_string(), _folder: folder };
        let start = Instant::now();
        while TcpStream::connect(&server.address).is_err() {
            assert!(start.elapsed() < PATIENCE, "prometheus does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
