//! A private RabbitMQ node: free loopback ports, own data, log and name service under a temporary folder, gone with the
//! process that started it.
//!
//! Tests that leave the node alone share one ([`RabbitMq::shared`]) and keep apart by the prefix of their queues' names: a
//! virtual host for each would cost a second of `rabbitmqctl`. Tests that kill, pause or block a node use
//! [`RabbitMq::private`], one at a time. A node that cannot be had fails the test: nothing is skipped.

mod install;
mod node;

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use node::Node;

/// The variable that names a broker to use instead of a private node.
const GIVEN: &str = "LONGHAND_TEST_AMQP_URL";

/// How long a node may take to start, and anything else that is waited for here.
const PATIENCE: Duration = Duration::from_secs(60);

/// A broker for tests.
pub struct RabbitMq {
    place: Place,
}

enum Place {
    /// Somebody else's: its address is all that is known.
    Given(String),
    /// Started here.
    Private(Box<Node>),
}

impl RabbitMq {
    /// The broker of this test process, started by its first caller; the one that `LONGHAND_TEST_AMQP_URL` names if it is set.
    pub fn shared() -> &'static RabbitMq {
        static SHARED: OnceLock<RabbitMq> = OnceLock::new();
        SHARED.get_or_init(|| match given() {
            Some(url) => RabbitMq { place: Place::Given(url) },
            None => RabbitMq::start(),
        })
    }

    /// The node of this test process that may be killed: the shared one where that was started here. Its users take turns.
    pub fn private() -> &'static RabbitMq {
        static PRIVATE: OnceLock<RabbitMq> = OnceLock::new();
        if given().is_none() { Self::shared() } else { PRIVATE.get_or_init(RabbitMq::start) }
    }

    /// A node of one's own, gone when dropped. Installs the package where it is missing and this process may do that.
    pub fn start() -> RabbitMq {
        install::ensure();
        RabbitMq { place: Place::Private(Box::new(Node::start(false, false))) }
    }

    /// The same, which also speaks TLS ([`RabbitMq::tls_url`]), by a certificate of its own ([`RabbitMq::authority`]).
    pub fn start_with_tls() -> RabbitMq {
        install::ensure();
        RabbitMq { place: Place::Private(Box::new(Node::start(true, false))) }
    }

    /// The same, which also shows its metrics ([`RabbitMq::metrics`]).
    pub fn start_with_metrics() -> RabbitMq {
        install::ensure();
        RabbitMq { place: Place::Private(Box::new(Node::start(false, true))) }
    }

    /// `host:port` of a node's metrics.
    pub fn metrics(&self) -> String {
        self.node().metrics()
    }

    /// Where a node with TLS listens for it, without what to trust.
    pub fn tls_url(&self) -> String {
        self.node().tls_url(node::USER, node::PASSWORD, "%2f")
    }

    /// The file with the authority that signed its certificate.
    pub fn authority(&self) -> PathBuf {
        self.node().authority()
    }

    /// Where it listens, with user and password.
    pub fn url(&self) -> String {
        match &self.place {
            Place::Given(url) => url.clone(),
            Place::Private(node) => node.url(node::USER, node::PASSWORD, "%2f"),
        }
    }

    /// The address for another user, password or virtual host (percent-encoded) of a private node.
    pub fn url_of(&self, user: &str, password: &str, vhost: &str) -> String {
        self.node().url(user, password, vhost)
    }

    fn node(&self) -> &Node {
        match &self.place {
            Place::Private(node) => node,
            Place::Given(_) => panic!("a given broker can only be used; start a private one"),
        }
    }

    /// Kills the node as a crash would: SIGKILL, nothing written, nothing said.
    pub fn kill(&self) {
        self.node().kill();
    }

    /// Stops it in an orderly way.
    pub fn stop(&self) {
        self.node().stop();
    }

    /// Starts it again on the same ports and data, and waits until it answers.
    pub fn start_again(&self) {
        self.node().launch();
        self.wait_ready();
    }

    /// Forgets all data of a node that is down: users come back by its configuration, queues do not.
    pub fn wipe(&self) {
        self.node().wipe();
    }

    /// Stops the node's clock (SIGSTOP): connections stay open and nothing answers.
    pub fn pause(&self) {
        self.node().signal("STOP");
    }

    /// Lets a paused node go on.
    pub fn resume(&self) {
        self.node().signal("CONT");
    }

    /// CPU seconds that it has used since it was started.
    pub fn cpu_seconds(&self) -> f64 {
        self.node().cpu_seconds()
    }

    /// Waits until the node speaks AMQP.
    pub fn wait_ready(&self) {
        self.node().wait_ready(PATIENCE);
    }

    /// Closes every client's connection from the broker's side.
    pub fn close_connections(&self) {
        self.node().ctl(&["close_all_connections", "closed by a test"]);
    }

    /// Raises the memory alarm: connections that publish are blocked.
    pub fn set_memory_alarm(&self) {
        self.node().ctl(&["set_vm_memory_high_watermark", "absolute", "1"]);
    }

    /// Ends the memory alarm.
    pub fn clear_memory_alarm(&self) {
        self.node().ctl(&["set_vm_memory_high_watermark", "0.9"]);
    }

    /// Deletes a queue with all its messages.
    pub fn delete_queue(&self, name: &str) {
        self.node().ctl(&["delete_queue", name]);
    }

    /// Runs `rabbitmqctl` with these arguments (about a second) and returns what it printed.
    pub fn ctl(&self, arguments: &[&str]) -> String {
        self.node().ctl(arguments)
    }
}

#[expect(clippy::disallowed_methods, reason = "tests are pointed at a broker by the environment")]
fn given() -> Option<String> {
    std::env::var(GIVEN).ok().filter(|url| !url.is_empty())
}
