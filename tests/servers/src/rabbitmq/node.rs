//! One node: its folder, its processes, its signals.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::install::BIN;
use crate::certificate::Certificate;

pub(super) const USER: &str = "longhand";
pub(super) const PASSWORD: &str = "secret";

/// Waits for the end of its input, which comes with the end of the process that holds the other side, however that ends;
/// then kills what runs in the folder and removes it.
const WATCHDOG: &str = r#"
read -r _
for round in 1 2 3; do
    for file in "$1"/*.pid; do
        [ -s "$file" ] && kill -9 "-$(cat "$file")" 2>/dev/null
    done
    rm -rf "$1" 2>/dev/null && break
    sleep 0.1
done
"#;

/// Writes its own process id before it becomes the server: the watchdog knows every process that ever ran.
const WRITE_PID_AND_BECOME: &str = r#"set -e; echo $$ > "$1"; shift; exec "$@""#;

/// A node in a folder of its own.
pub(super) struct Node {
    folder: PathBuf,
    amqp: u16,
    /// If it speaks TLS.
    amqps: Option<u16>,
    /// If it shows metrics.
    metrics: Option<u16>,
    distribution: u16,
    names: u16,
    server: Mutex<Option<Child>>,
    name_service: Mutex<Option<Child>>,
    watchdog: Mutex<Option<Child>>,
}

impl Node {
    /// Makes the folder, starts the name service and the node, and waits until it speaks AMQP.
    pub(super) fn start(tls: bool, metrics: bool) -> Self {
        let folder =
            tempfile::Builder::new().prefix("longhand-rabbitmq-").tempdir().expect("a temporary folder").keep();
        let [amqp, amqps, shown, distribution, names] = free_ports();
        let watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(&folder)
            .stdin(Stdio::piped())
            // A group of its own: an interrupt typed at the terminal ends the tests, and the watchdog cleans up after them.
            .process_group(0)
            .spawn()
            .expect("sh");
        let node = Self {
            folder,
            amqp,
            amqps: tls.then_some(amqps),
            metrics: metrics.then_some(shown),
            distribution,
            names,
            server: Mutex::default(),
            name_service: Mutex::default(),
            watchdog: Mutex::new(Some(watchdog)),
        };
        node.furnish();
        *node.locked(&node.name_service) = Some(node.spawn("epmd.pid", "epmd", &[]));
        node.launch();
        node.wait_ready(super::PATIENCE);
        node
    }

    fn furnish(&self) {
        for name in ["home", "data", "log", "generated", "conf.d"] {
            fs::create_dir_all(self.folder.join(name)).expect("a folder of the node");
        }
        let cookie = self.folder.join("home/.erlang.cookie");
        let name = self.folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        fs::write(&cookie, format!("LONGHAND{}", name.to_uppercase())).expect("the cookie");
        fs::set_permissions(&cookie, fs::Permissions::from_mode(0o400)).expect("the cookie's mode");
        fs::write(self.folder.join("env.conf"), "").expect("the environment file");
        let plugins = if self.metrics.is_some() { "[rabbitmq_prometheus].\n" } else { "[].\n" };
        fs::write(self.folder.join("plugins"), plugins).expect("the list of plugins");
        if let Some(port) = self.metrics {
            let place =
                format!("[{{rabbitmq_prometheus, [{{tcp_config, [{{port, {port}}}, {{ip, \"127.0.0.1\"}}]}}]}}].\n");
            fs::write(self.folder.join("advanced.config"), place).expect("the plugin's configuration");
        }
        let mut configuration = self.configuration();
        if let Some(port) = self.amqps {
            configuration.push_str(&tls(port, &Certificate::make(&self.folder)));
        }
        fs::write(self.folder.join("rabbitmq.conf"), configuration).expect("the configuration");
        own(&self.folder);
    }

    fn configuration(&self) -> String {
        format!(
            "listeners.tcp.1 = 127.0.0.1:{}\n\
             default_user = {USER}\n\
             default_pass = {PASSWORD}\n\
             loopback_users = none\n\
             disk_free_limit.absolute = 50MB\n\
             vm_memory_high_watermark.relative = 0.9\n\
             raft.wal_max_size_bytes = 33554432\n\
             log.console = false\n",
            self.amqp
        )
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        let at = |name: &str| self.folder.join(name).to_string_lossy().into_owned();
        // Idle schedulers must not spin: tests share few cores.
        let quiet = "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none";
        let loopback = "-kernel inet_dist_use_interface {127,0,0,1}";
        vec![
            ("HOME", at("home")),
            ("LANG", "C.UTF-8".to_owned()),
            ("PATH", format!("{BIN}:/usr/sbin:/usr/bin:/sbin:/bin")),
            ("RABBITMQ_NODENAME", format!("longhand{}@localhost", self.amqp)),
            ("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1".to_owned()),
            ("RABBITMQ_NODE_PORT", self.amqp.to_string()),
            ("RABBITMQ_DIST_PORT", self.distribution.to_string()),
            ("ERL_EPMD_PORT", self.names.to_string()),
            ("ERL_EPMD_ADDRESS", "127.0.0.1".to_owned()),
            ("RABBITMQ_CONF_ENV_FILE", at("env.conf")),
            ("RABBITMQ_CONFIG_FILE", at("rabbitmq.conf")),
            ("RABBITMQ_CONFIG_FILES", at("conf.d")),
            ("RABBITMQ_ADVANCED_CONFIG_FILE", at("advanced.config")),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", at("plugins")),
            ("RABBITMQ_GENERATED_CONFIG_DIR", at("generated")),
            ("RABBITMQ_MNESIA_BASE", at("data")),
            ("RABBITMQ_LOG_BASE", at("log")),
            ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", format!("{loopback} {quiet}")),
            ("RABBITMQ_CTL_ERL_ARGS", format!("{loopback} {quiet}")),
            ("ERL_CRASH_DUMP", "/dev/null".to_owned()),
            // Without it the start script stays as a parent and forwards signals: the process would not be the server.
            ("RUNNING_UNDER_SYSTEMD", "true".to_owned()),
        ]
    }

    /// A program as the server's user, in the node's environment.
    fn command(&self, before: &[&str], program: &str, arguments: &[&str]) -> Command {
        let mut words: Vec<&str> = before.to_vec();
        if is_root() {
            words.extend(["setpriv", "--reuid=rabbitmq", "--regid=rabbitmq", "--init-groups", "--"]);
        }
        words.push(program);
        words.extend(arguments);
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).env_clear().envs(self.environment()).current_dir("/").stdin(Stdio::null());
        command
    }

    fn spawn(&self, pid_file: &str, program: &str, arguments: &[&str]) -> Child {
        let pid_file = self.folder.join(pid_file).to_string_lossy().into_owned();
        let log = fs::File::options().create(true).append(true).open(self.folder.join("console.log")).expect("a log");
        let log_too = log.try_clone().expect("a log");
        self.command(&["sh", "-c", WRITE_PID_AND_BECOME, "start", &pid_file], program, arguments)
            .stdout(log)
            .stderr(log_too)
            .process_group(0)
            .spawn()
            .expect("sh")
    }

    /// Starts the server's process; it is ready later.
    pub(super) fn launch(&self) {
        let mut server = self.locked(&self.server);
        assert!(server.is_none(), "the node runs already");
        *server = Some(self.spawn("node.pid", "rabbitmq-server", &[]));
    }

    /// Waits until somebody answers the protocol's first bytes.
    pub(super) fn wait_ready(&self, patience: Duration) {
        let since = Instant::now();
        while !self.answers() {
            if let Some(server) = self.locked(&self.server).as_mut()
                && let Ok(Some(status)) = server.try_wait()
            {
                panic!("the node ended ({status}): {}", self.last_words());
            }
            assert!(since.elapsed() < patience, "the node is not ready: {}", self.last_words());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.amqp)) else { return false };
        let asked =
            stream.set_read_timeout(Some(Duration::from_secs(1))).and_then(|()| stream.write_all(b"AMQP\0\0\x09\x01"));
        asked.is_ok() && stream.read(&mut [0; 8]).is_ok_and(|read| read > 0)
    }

    fn last_words(&self) -> String {
        let log = format!("log/longhand{}@localhost.log", self.amqp);
        let read = |name: &str| fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        let text = read(&log) + &read("console.log");
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    pub(super) fn kill(&self) {
        if let Some(mut server) = self.locked(&self.server).take() {
            signal_group(&server, "KILL");
            server.wait().expect("a child of this process");
        }
    }

    pub(super) fn stop(&self) {
        if let Some(mut server) = self.locked(&self.server).take() {
            signal_group(&server, "CONT");
            signal_group(&server, "TERM");
            server.wait().expect("a child of this process");
        }
    }

    pub(super) fn signal(&self, name: &str) {
        signal_group(self.locked(&self.server).as_ref().expect("a node that runs"), name);
    }

    pub(super) fn cpu_seconds(&self) -> f64 {
        self.locked(&self.server).as_ref().map_or(0.0, |server| crate::cpu::seconds(server.id()))
    }

    pub(super) fn wipe(&self) {
        assert!(self.locked(&self.server).is_none(), "only a node that is down can be wiped");
        let data = self.folder.join("data");
        fs::remove_dir_all(&data).and_then(|()| fs::create_dir(&data)).expect("the node's data");
        own(&data);
    }

    pub(super) fn ctl(&self, arguments: &[&str]) -> String {
        let output = self.command(&[], "rabbitmqctl", arguments).output().expect("rabbitmqctl");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "rabbitmqctl {arguments:?}: {said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        said
    }

    pub(super) fn tls_url(&self, user: &str, password: &str, vhost: &str) -> String {
        let port = self.amqps.expect("a node with TLS");
        format!("amqps://{user}:{password}@127.0.0.1:{port}/{vhost}")
    }

    pub(super) fn metrics(&self) -> String {
        format!("127.0.0.1:{}", self.metrics.expect("a node with metrics"))
    }

    pub(super) fn authority(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    pub(super) fn url(&self, user: &str, password: &str, vhost: &str) -> String {
        format!("amqp://{user}:{password}@127.0.0.1:{}/{vhost}", self.amqp)
    }

    #[expect(clippy::unused_self, reason = "reads as a sentence")]
    fn locked<'a, T>(&self, what: &'a Mutex<T>) -> MutexGuard<'a, T> {
        // A test that panicked while it held the lock leaves the child as it is.
        what.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut watchdog) = self.locked(&self.watchdog).take() {
            drop(watchdog.stdin.take());
            watchdog.wait().ok();
        }
        for child in [&self.server, &self.name_service] {
            if let Some(mut child) = self.locked(child).take() {
                child.wait().ok();
            }
        }
    }
}

/// The part of the configuration for TLS.
fn tls(port: u16, files: &Certificate) -> String {
    format!(
        "listeners.ssl.1 = 127.0.0.1:{port}\n\
         ssl_options.cacertfile = {}\n\
         ssl_options.certfile = {}\n\
         ssl_options.keyfile = {}\n\
         ssl_options.verify = verify_none\n",
        files.authority.display(),
        files.certificate.display(),
        files.key.display()
    )
}

/// Gives a folder to the user that the server runs as.
fn own(path: &Path) {
    if !is_root() {
        return;
    }
    let (user, group) = server_user();
    chown(path, Some(user), Some(group)).expect("the owner of a file of the node");
    if path.is_dir() {
        for entry in fs::read_dir(path).expect("a folder of the node").flatten() {
            own(&entry.path());
        }
    }
}

fn signal_group(leader: &Child, name: &str) {
    let group = format!("-{}", leader.id());
    Command::new("kill").args(["-s", name, "--", &group]).status().expect("kill");
}

pub(super) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

/// The ids of the user `rabbitmq`, which the package makes.
fn server_user() -> (u32, u32) {
    let accounts = fs::read_to_string("/etc/passwd").expect("the list of users");
    let line = accounts.lines().find(|line| line.starts_with("rabbitmq:")).expect("the user rabbitmq");
    let mut numbers = line.split(':').skip(2).map(|field| field.parse().expect("an id"));
    (numbers.next().expect("a user id"), numbers.next().expect("a group id"))
}

/// Free ports below the range of outgoing connections: none of those may take one while the node is down.
fn free_ports() -> [u16; 5] {
    // Two nodes that this process starts at once must not find the same ports free.
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let below: u16 = range.split_whitespace().next().and_then(|low| low.parse().ok()).unwrap_or(32_768);
    let span = u32::from(below) - 10_000;
    let first = std::process::id().wrapping_mul(7_919);
    let mut held = Vec::new();
    for _ in 0..span {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 10_000 + (first.wrapping_add(step) % span) as u16;
        held.extend(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok().map(|listener| (port, listener)));
        if let [(one, _), (two, _), (three, _), (four, _), (five, _)] = held[..] {
            return [one, two, three, four, five];
        }
    }
    panic!("no free ports");
}
