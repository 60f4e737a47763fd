//! One server: its folder, its processes, and a watch that outlives the test process by a moment.

use std::fs::{File, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::{PATIENCE, Settings, install};
use crate::certificate::Certificate;

/// The user of the private server, who may do everything.
pub(super) const USER: &str = "postgres";
/// Stands in its address; the server does not ask for it.
pub(super) const PASSWORD: &str = "secret";

/// Checking a password costs a client that is built for debugging 50 ms a connection, so the one user that tests connect as
/// all the time is let in without; every other one needs its password, as in production.
const WHO_IS_LET_IN: &str = "local all all trust
host all postgres 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
";

/// A private server.
#[derive(Debug)]
pub(super) struct Server {
    folder: PathBuf,
    port: u16,
    settings: Settings,
    process: Mutex<Option<Child>>,
    watch: Child,
}

impl Server {
    pub(super) fn start(settings: Settings) -> Self {
        let folder = tempfile::Builder::new().prefix("longhand-pg-").tempdir().expect("a folder for the server").keep();
        if install::is_root() {
            let (user, group) = install::user();
            std::os::unix::fs::chown(&folder, Some(user), Some(group)).expect("the folder gets its owner");
        }
        let watch = Command::new("sh")
            .args(["-c", include_str!("watch.sh"), "sh"])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("sh runs");
        let server = Self { port: free_port(), folder, settings, process: Mutex::new(None), watch };
        server.init();
        server.launch();
        server
    }

    fn init(&self) {
        let output = self
            .program("initdb")
            .arg("-D")
            .arg(self.data())
            .args(["-U", USER, "--auth=trust", "--no-sync", "--no-instructions"])
            .args(["--encoding=UTF8", "--locale=C.UTF-8"])
            .output()
            .expect("initdb runs");
        assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
        std::fs::write(self.data().join("pg_hba.conf"), WHO_IS_LET_IN).expect("a file in our folder");
        if self.settings.tls {
            let key = Certificate::make(&self.folder).key;
            std::fs::set_permissions(&key, Permissions::from_mode(0o600)).expect("a file of ours");
            if install::is_root() {
                let (user, group) = install::user();
                std::os::unix::fs::chown(&key, Some(user), Some(group)).expect("the key gets its owner");
            }
        }
    }

    /// Starts the server on its data and waits until it answers.
    pub(super) fn launch(&self) {
        let mut process = self.process.lock().expect("no test failed in here");
        assert!(process.is_none(), "the server runs already");
        let log = File::options().create(true).append(true).open(self.folder.join("log")).expect("a log");
        let fsync = if self.settings.fsync { "on" } else { "off" };
        let folder = self.folder.display();
        let mut command = self.program("postgres");
        command.arg("-D").arg(self.data());
        for setting in [
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={}", self.port),
            format!("unix_socket_directories={folder}"),
            format!("max_connections={}", self.settings.max_connections),
            format!("fsync={fsync}"),
            format!("full_page_writes={fsync}"),
            "shared_buffers=96MB".to_owned(),
            "max_wal_size=2GB".to_owned(),
        ] {
            command.arg("-c").arg(setting);
        }
        if self.settings.tls {
            for setting in ["ssl=on", "ssl_cert_file=../server.pem", "ssl_key_file=../server.key"] {
                command.arg("-c").arg(setting);
            }
        }
        let error = log.try_clone().expect("a second handle");
        let child = command.stdin(Stdio::null()).stdout(log).stderr(error).process_group(0).spawn();
        *process = Some(child.expect("postgres starts"));
        let started = Instant::now();
        while !self.is_ready() {
            let ended = process.as_mut().and_then(|child| child.try_wait().expect("a child of ours"));
            assert!(ended.is_none() && started.elapsed() < PATIENCE, "the server does not start: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The last line of the pid file says so.
    fn is_ready(&self) -> bool {
        let file = std::fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        file.lines().nth(7).is_some_and(|line| line.trim() == "ready")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Where it lives.
    pub(super) fn folder(&self) -> &std::path::Path {
        &self.folder
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// A program of the server, run as somebody who is not root.
    fn program(&self, name: &str) -> Command {
        let path = install::program(name);
        let mut command = if install::is_root() {
            let (user, group) = install::user();
            let mut command = Command::new("setpriv");
            command.arg(format!("--reuid={user}")).arg(format!("--regid={group}")).arg("--clear-groups").arg(path);
            command
        } else {
            Command::new(path)
        };
        command.current_dir(&self.folder).env("LC_ALL", "C.UTF-8");
        command
    }

    pub(super) fn url(&self, user: &str, password: &str, database: &str) -> String {
        format!("postgres://{user}:{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// How psql reaches a database through the socket.
    pub(super) fn local(&self, database: &str) -> String {
        format!("host={} port={} user={USER} dbname={database}", self.folder.display(), self.port)
    }

    /// Sends a signal to the server and all its processes, the server first.
    pub(super) fn signal_all(&self, signal: &str) {
        let process = self.process.lock().expect("no test failed in here");
        let child = process.as_ref().expect("the server runs");
        send(signal, &family(child.id()));
    }

    /// CPU time of the server and all its processes, those that have ended included.
    pub(super) fn cpu_seconds(&self) -> f64 {
        let process = self.process.lock().expect("no test failed in here");
        process.as_ref().map_or(0.0, |child| family(child.id()).into_iter().map(crate::cpu::seconds).sum())
    }

    pub(super) fn stop(&self) {
        let mut process = self.process.lock().expect("no test failed in here");
        let mut child = process.take().expect("the server runs");
        // A fast shutdown: clients are sent away, data are brought to disk.
        send("-INT", &[child.id()]);
        child.wait().expect("a child of ours");
    }

    pub(super) fn kill(&self) {
        let mut process = self.process.lock().expect("no test failed in here");
        let mut child = process.take().expect("the server runs");
        let family = family(child.id());
        send("-KILL", &family);
        child.wait().expect("a child of ours");
        let started = Instant::now();
        while family.iter().any(|id| runs(*id)) {
            assert!(started.elapsed() < PATIENCE, "a process outlives its SIGKILL");
            std::thread::sleep(Duration::from_millis(5));
        }
        // It says "ready", and would say so of the next server before that is.
        std::fs::remove_file(self.data().join("postmaster.pid")).expect("the pid file of the dead server");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The watch does what it would do if this process ended now.
        drop(self.watch.stdin.take());
        let _ = self.watch.wait();
        if let Some(mut child) = self.process.lock().ok().and_then(|mut process| process.take()) {
            let _ = child.wait();
        }
    }
}

/// A process and its children.
fn family(id: u32) -> Vec<u32> {
    let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    std::iter::once(id).chain(children.split_whitespace().filter_map(|child| child.parse().ok())).collect()
}

/// Whether a process runs; one that waits for its parent to take note of its end does not.
fn runs(id: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    status.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

/// A signal to processes of ours; those that are gone already do not mind.
fn send(signal: &str, ids: &[u32]) {
    let _ = Command::new("kill").arg(signal).args(ids.iter().map(u32::to_string)).stderr(Stdio::null()).status();
}

/// A port that is free and that no outgoing connection will be given while the server is down.
fn free_port() -> u16 {
    use std::hash::{BuildHasher, Hasher};
    let random = std::collections::hash_map::RandomState::new();
    for attempt in 0..1_000_u32 {
        let mut hasher = random.build_hasher();
        hasher.write_u32(attempt);
        let port = 12_000 + (hasher.finish() % 20_000) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port below the range of outgoing connections")
}
