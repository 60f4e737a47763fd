//! `migrate` and `health` against real servers: what fits, what does not, and that no password is ever shown.

use std::path::Path;

use harness::process::{Run, fixed_sections};
use servers::postgres::{Postgres, Settings};
use servers::rabbitmq::RabbitMq;

use crate::serving::{drained, of_fleet};
use crate::{MOST, longhand, scratch, simulator};

fn command(args: &[&str], database: &str, queue: &str) -> Run {
    longhand(args).env("LONGHAND__DATABASE__URL", database).env("LONGHAND__QUEUE__URL", queue)
}

#[test]
fn a_database_is_migrated_and_then_healthy() {
    let database = Postgres::shared().database(None);
    let queue = RabbitMq::shared().url();
    let health = command(&["health", "--json"], &database.url(), &queue);
    let ended = health.finish(MOST).expect_error(3, "schema_version");
    assert!(ended.stderr.contains("schema version 0") && ended.stderr.contains("needs version 4"), "{}", ended.stderr);
    assert!(ended.stdout.contains(r#""healthy":false"#), "{}", ended.stdout);

    let migrate = command(&["migrate"], &database.url(), &queue);
    migrate.finish(MOST).expect_code(0).expect_stderr("schema version 4");
    migrate.finish(MOST).expect_code(0);
    let ended = health.finish(MOST).expect_code(0);
    let report: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!((&report["healthy"], &report["database"]["schema_version"]), (&true.into(), &4.into()), "{report}");

    database.sql("insert into _sqlx_migrations values (9, 'later', now(), true, '', 0)");
    migrate.finish(MOST).expect_error(3, "schema_version").expect_stderr("schema version 9");
}

#[test]
fn what_is_wrong_with_a_server_is_told_without_its_password() {
    let scratch = scratch();
    let database = Postgres::shared().database(None);
    let (good, queue) = (database.url(), RabbitMq::shared().url());
    // The server lets its own superuser in without asking, and nobody else.
    let wrong = Postgres::shared().url_as("nobody", "geheim", database.name());
    command(&["migrate"], &good, &queue).finish(MOST).expect_code(0);
    for (database, queue, exit, code) in [
        (wrong.as_str(), queue.as_str(), 4, "database_auth"),
        ("postgres://a:geheim@127.0.0.1:9/b", queue.as_str(), 3, "database_unreachable"),
        ("mysql://a:geheim@127.0.0.1:9/b", queue.as_str(), 2, "database_url"),
        (good.as_str(), "amqp://a:geheim@127.0.0.1:9/%2f", 3, "queue_unreachable"),
        (good.as_str(), "http://a:geheim@127.0.0.1:9/", 2, "queue_url"),
    ] {
        let ended = command(&["health"], database, queue).finish(MOST).expect_error(exit, code);
        assert!(!format!("{}{}", ended.stdout, ended.stderr).contains("geheim"), "{}{}", ended.stdout, ended.stderr);
    }
    longhand(&["migrate"]).within(scratch.path()).finish(MOST).expect_error(2, "no_url");
    let shown = command(&["config", "show"], "postgres://a:geheim@host/b", "amqp://c:geheim@host/%2f");
    let ended = shown.within(scratch.path()).finish(MOST).expect_code(0);
    assert!(ended.stdout.contains("postgres://***@host/b") && !ended.stdout.contains("geheim"), "{}", ended.stdout);
}

#[test]
fn an_address_may_stand_in_a_file() {
    let scratch = scratch();
    let database = Postgres::shared().database(None);
    let file = scratch.path().join("url");
    std::fs::write(&file, format!("{}\n", database.url())).expect("the test's folder can be written");
    let file = file.to_str().expect("a path");
    longhand(&["migrate"]).env("LONGHAND__DATABASE__URL_FILE", file).finish(MOST).expect_code(0);
}

/// Servers that prove who they are by an authority of their own; whoever does not know it does not talk to them.
#[test]
fn a_fleet_talks_to_its_servers_inside_tls() {
    let scratch = scratch();
    let postgres = Postgres::start(Settings { fsync: false, tls: true, ..Settings::default() });
    let broker = RabbitMq::start_with_tls();
    let name = postgres.database(None).keep();
    let text = |path: &Path| path.display().to_string();
    let database =
        |mode: &str, file: &Path| format!("{}?sslmode={mode}&sslrootcert={}", postgres.url(&name), text(file));
    let queue = |file: &Path| format!("{}?cacertfile={}", broker.tls_url(), text(file));
    let (of_database, of_broker) = (postgres.authority(), broker.authority());
    let (good_database, good_queue) = (database("verify-full", &of_database), queue(&of_broker));
    let health = |database: &str, queue: &str| command(&["health"], database, queue).finish(MOST);

    command(&["migrate"], &good_database, &good_queue).finish(MOST).expect_code(0);
    health(&good_database, &good_queue).expect_code(0);
    for (database, queue, exit, code, says) in [
        (&database("verify-full", &of_broker), &good_queue, 3, "database_unreachable", "invalid peer certificate"),
        (&good_database, &queue(&of_database), 3, "queue_unreachable", "invalid peer certificate"),
        // An authority that only the test knows is none that this machine trusts.
        (&good_database, &broker.tls_url(), 3, "queue_unreachable", "invalid peer certificate"),
        (&good_database, &queue(Path::new("/nowhere.pem")), 2, "queue_url", "cacertfile /nowhere.pem"),
    ] {
        let ended = health(database, queue).expect_error(exit, code).expect_stderr(says);
        assert!(!format!("{}{}", ended.stdout, ended.stderr).contains("secret"), "{}{}", ended.stdout, ended.stderr);
    }

    let rows = fixed_sections(scratch.path(), "rows.jsonl", 4, 2, 200);
    let rows = rows.to_str().expect("a path");
    let endpoint = simulator(&[]);
    let fleet = |args: &[&str]| of_fleet(longhand(args), &good_database, &good_queue, &scratch.path().join("shards"));
    let all = fleet(&["serve", "all", "--base-url", endpoint.url()]).start();
    fleet(&["submit", rows, "--model", "simulated", "--wait"]).finish(MOST).expect_code(0);
    let inside = "select count(*) from pg_stat_ssl join pg_stat_activity using (pid) where application_name = 'longhand' and ssl";
    let inside: u32 = postgres.sql(&name, inside).trim().parse().expect("a number");
    let connections = broker.ctl(&["list_connections", "-q", "name", "ssl"]);
    assert!(inside > 0, "no connection to the database is inside TLS");
    assert!(connections.contains("true") && !connections.contains("false"), "{connections}");
    drained(all);
}
