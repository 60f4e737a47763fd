//! What tests of the distributed edition share: variables of a fleet's processes, a broker of one's own, an orderly end.

use harness::process::{Child, Run, Signal};
use servers::rabbitmq::RabbitMq;

use crate::MOST;

/// Every process of a fleet has these variables: its servers, a spool beside the shards, and leases short enough for a test.
pub fn of_fleet(run: Run, database: &str, queue: &str, shards: &std::path::Path) -> Run {
    run.env("LONGHAND__DATABASE__URL", database)
        .env("LONGHAND__QUEUE__URL", queue)
        .env("LONGHAND__SHARDS__URL", format!("file://{}", shards.display()))
        .env("LONGHAND__SPOOL__DIR", shards.with_file_name("spool").to_str().expect("a path"))
        .env("LONGHAND__LEASE__LEASE_SECONDS", "3")
        .env("LONGHAND__LEASE__HEARTBEAT_SECONDS", "1")
        .env("LONGHAND__LEASE__RESCUE_SECONDS", "1")
}

/// A virtual host of the shared broker: messages of other tests are not for these processes.
pub fn broker(name: &str) -> String {
    let broker = RabbitMq::shared();
    let url = broker.url();
    let user = url.trim_start_matches("amqp://").split(':').next().expect("the address names a user");
    broker.ctl(&["add_vhost", name]);
    broker.ctl(&["set_permissions", "-p", name, user, ".*", ".*", ".*"]);
    format!("{}/{name}", url.rsplit_once('/').expect("the address names a virtual host").0)
}

/// Stops a process in order.
pub fn drained(mut child: Child) {
    child.signal(Signal::Terminate);
    child.wait(MOST).expect_code(0);
}
