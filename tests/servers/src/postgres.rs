//! A private PostgreSQL server: a free loopback port, data and log under a temporary folder, gone with the process that
//! started it, however that ends.
//!
//! Tests that leave the server alone share one ([`Postgres::shared`]) and have a database each ([`Postgres::database`]).
//! Tests that kill, stop or pause a server start one of their own ([`Postgres::start`]). A server that cannot be had fails
//! the test: nothing is skipped.

mod install;
mod server;

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use server::Server;

/// The variable that names a server to use instead of a private one: the address of a database whose user may create others.
const GIVEN: &str = "LONGHAND_TEST_DATABASE_URL";

/// How long a server may take to start, and anything else that is waited for here.
const PATIENCE: Duration = Duration::from_secs(60);

/// What may differ from server to server.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Whether commits reach the disk. Without it a killed server still keeps them; only a machine that loses power does not.
    pub fsync: bool,
    /// Connections at once.
    pub max_connections: u32,
    /// Whether it speaks TLS too, by a certificate of its own ([`Postgres::authority`]).
    pub tls: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { fsync: true, max_connections: 200, tls: false }
    }
}

/// A PostgreSQL server for tests.
#[derive(Debug)]
pub struct Postgres {
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// Somebody else's: the address of a database of it is all that is known.
    Given(String),
    /// Started here.
    Private(Server),
}

/// A database of its own, dropped with this value.
#[derive(Debug)]
pub struct Database<'a> {
    server: &'a Postgres,
    name: String,
}

impl Postgres {
    /// The server of this test process, started by its first caller and fast rather than safe from power cuts; the one that
    /// `LONGHAND_TEST_DATABASE_URL` names if it is set.
    pub fn shared() -> &'static Postgres {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| match given() {
            Some(url) => Postgres { place: Place::Given(url) },
            None => Postgres::start(Settings { fsync: false, ..Settings::default() }),
        })
    }

    /// A server of one's own, gone when dropped. Installs the package where it is missing and this process may do that.
    pub fn start(settings: Settings) -> Postgres {
        install::ensure();
        Postgres { place: Place::Private(Server::start(settings)) }
    }

    /// The address of a database of this server, as a user who may do everything.
    pub fn url(&self, database: &str) -> String {
        match &self.place {
            Place::Given(url) => with_database(url, database),
            Place::Private(server) => server.url(server::USER, server::PASSWORD, database),
        }
    }

    /// The address of a database of this server as another user.
    pub fn url_as(&self, user: &str, password: &str, database: &str) -> String {
        let url = self.url(database);
        let at = url.find('@').expect("the address names a user");
        format!("postgres://{user}:{password}{}", &url[at..])
    }

    /// The file with the authority that signed the certificate of a server with TLS.
    pub fn authority(&self) -> PathBuf {
        self.private().folder().join("ca.pem")
    }

    /// A new database, empty or a copy of `template`, to which nobody may be connected.
    pub fn database(&self, template: Option<&str>) -> Database<'_> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("longhand_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("create database {name} template {}", template.unwrap_or("template0")));
        Database { server: self, name }
    }

    /// Carries out SQL in a database; what it prints, a line a row, columns parted by `|`.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let address = match &self.place {
            Place::Given(url) => with_database(url, database),
            Place::Private(server) => server.local(database),
        };
        let output = Command::new(install::client())
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &address, "-c", sql])
            .output()
            .expect("psql runs");
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Stops it in order; its data stay.
    pub fn stop(&self) {
        self.private().stop();
    }

    /// Ends all its processes with SIGKILL, as a crash would; its data stay.
    pub fn kill(&self) {
        self.private().kill();
    }

    /// Starts it again on the same data and port, and waits until it answers.
    pub fn start_again(&self) {
        self.private().launch();
    }

    /// Freezes all its processes: a server that neither answers nor closes anything.
    pub fn pause(&self) {
        self.private().signal_all("-STOP");
    }

    /// Lets it go on after [`Self::pause`].
    pub fn resume(&self) {
        self.private().signal_all("-CONT");
    }

    /// CPU seconds that it has used since it was started.
    pub fn cpu_seconds(&self) -> f64 {
        self.private().cpu_seconds()
    }

    fn private(&self) -> &Server {
        match &self.place {
            Place::Private(server) => server,
            Place::Given(_) => panic!("a server that {GIVEN} names is not ours to stop: use Postgres::start"),
        }
    }
}

impl Database<'_> {
    /// Its address.
    pub fn url(&self) -> String {
        self.server.url(&self.name)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Carries out SQL in it, as [`Postgres::sql`] does.
    pub fn sql(&self, sql: &str) -> String {
        self.server.sql(&self.name, sql)
    }

    /// Keeps it until its server goes.
    pub fn keep(mut self) -> String {
        std::mem::take(&mut self.name)
    }
}

impl Drop for Database<'_> {
    fn drop(&mut self) {
        if !self.name.is_empty() && !std::thread::panicking() {
            self.server.sql("postgres", &format!("drop database if exists {} with (force)", self.name));
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "tests are told of a server that is there already by this variable")]
fn given() -> Option<String> {
    std::env::var(GIVEN).ok().filter(|url| !url.is_empty())
}

/// An address with another database.
fn with_database(url: &str, database: &str) -> String {
    let (address, query) = url.split_once('?').map_or((url, ""), |(address, query)| (address, query));
    let host = address.find("://").map_or(0, |scheme| scheme + 3);
    let end = address[host..].find('/').map_or(address.len(), |slash| host + slash);
    let query = if query.is_empty() { String::new() } else { format!("?{query}") };
    format!("{}/{database}{query}", &address[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gets_another_database() {
        let cases = [
            ("postgres://u:p@h:1/a", "postgres://u:p@h:1/b"),
            ("postgres://u:p@h:1", "postgres://u:p@h:1/b"),
            ("postgres://u:p@h:1/a?sslmode=disable", "postgres://u:p@h:1/b?sslmode=disable"),
        ];
        for (url, wanted) in cases {
            assert_eq!(with_database(url, "b"), wanted);
        }
    }

    #[test]
    fn data_outlive_a_kill_and_a_frozen_server_goes_on() {
        let server = Postgres::start(Settings::default());
        server.sql("postgres", "create table kept (n int); insert into kept values (7)");
        server.kill();
        server.start_again();
        assert_eq!(server.sql("postgres", "select n from kept").trim(), "7");
        server.pause();
        server.resume();
        server.stop();
        server.start_again();
        assert_eq!(server.sql("postgres", "select n from kept").trim(), "7");
    }

    /// Holds a server until it is killed; the next test starts this one in a process of its own.
    #[test]
    #[ignore = "a part of the next test"]
    fn holds_a_server() {
        let server = Postgres::start(Settings { fsync: false, ..Settings::default() });
        println!("folder {}", server.private().folder().display());
        std::thread::sleep(PATIENCE);
    }

    #[test]
    fn a_server_goes_with_its_process_even_if_that_is_killed() {
        use std::io::{BufRead, BufReader};
        let mut process = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "postgres::tests::holds_a_server", "--ignored", "--nocapture"])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("this program starts again");
        let output = BufReader::new(process.stdout.take().expect("its output"));
        let mut lines = output.lines().map_while(Result::ok);
        let line = lines.find(|line| line.contains("folder ")).expect("it names the folder");
        let folder = std::path::Path::new(line.rsplit(' ').next().expect("a path")).to_owned();
        let pid = std::fs::read_to_string(folder.join("data/postmaster.pid")).expect("the server runs");
        let pid: u32 = pid.lines().next().expect("a line").parse().expect("a number");
        process.kill().expect("SIGKILL");
        process.wait().expect("it is gone");
        let started = std::time::Instant::now();
        while folder.exists() {
            assert!(started.elapsed() < PATIENCE, "{} outlives its process", folder.display());
            std::thread::sleep(Duration::from_millis(20));
        }
        let left = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        assert!(!left.contains("postgres"), "the server outlives its process");
    }

    #[test]
    fn a_database_is_a_copy_and_goes_with_its_value() {
        let server = Postgres::shared();
        let model = server.database(None);
        model.sql("create table t (n int); insert into t values (1)");
        let name = {
            let copy = server.database(Some(model.name()));
            copy.sql("update t set n = 2");
            assert_eq!(model.sql("select n from t").trim(), "1");
            copy.name().to_owned()
        };
        let left = server.sql("postgres", &format!("select count(*) from pg_database where datname = '{name}'"));
        assert_eq!(left.trim(), "0");
    }
}
