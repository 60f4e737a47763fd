//! The database dies, is away for longer than leases, stands still, has no connection left.

use std::time::Duration;

use crate::ground::Ground;
use crate::trial::{LEASE, Setting, Trial, Who};
use crate::{play, play_times};

/// Rows that hurt the database: answers arrive while it is away.
const HURT: Setting = Setting { ground: Ground::OwnDatabase, ..Setting::LONG };

fn down_for(trial: &mut Trial, time: Duration) {
    trial.until_share(0.3);
    trial.servers.postgres.kill();
    std::thread::sleep(time);
    trial.servers.postgres.start_again();
    trial.over();
}

#[test]
fn a_database_is_killed_and_comes_back() {
    play("5 database killed and started again, 3 times", &HURT, |trial| {
        for share in [0.15, 0.35, 0.55] {
            trial.until_share(share);
            trial.servers.postgres.kill();
            trial.servers.postgres.start_again();
            trial.over();
        }
    });
}

/// Nobody is killed, so nothing may be paid twice: workers hold their answers until the store takes them.
#[test]
fn a_database_is_down_for_three_leases() {
    play("5 database down for 3 leases, answers arriving", &HURT, |trial| down_for(trial, LEASE * 3));
}

#[test]
#[ignore = "more: a part of make chaos"]
fn a_database_is_down_for_a_minute() {
    play_times(1, "5 database down for 60 s, answers arriving", &HURT, |trial| {
        down_for(trial, Duration::from_secs(60));
    });
}

#[test]
#[ignore = "more: a part of make chaos"]
fn a_database_is_stopped_in_order() {
    play("5 database stopped in order and started again", &HURT, |trial| {
        trial.until_share(0.4);
        trial.servers.postgres.stop();
        trial.servers.postgres.start_again();
        trial.over();
    });
}

#[test]
#[ignore = "more: a part of make chaos"]
fn a_database_stands_still_for_two_leases() {
    play("5 database stopped for 2 leases, connections open", &HURT, |trial| {
        trial.until_share(0.3);
        trial.servers.postgres.pause();
        std::thread::sleep(LEASE * 2);
        trial.servers.postgres.resume();
        trial.over();
    });
}

/// What the dead writer had received is in its spool, which the next one adopts.
#[test]
#[ignore = "more: a part of make chaos"]
fn a_writer_dies_while_the_database_is_away() {
    play("5 writer killed while the database is down", &HURT, |trial| {
        trial.until_share(0.3);
        trial.servers.postgres.kill();
        std::thread::sleep(LEASE / 2);
        trial.kill(Who::Writer);
        trial.servers.postgres.start_again();
        trial.launch(Who::Writer);
        trial.over();
    });
}

#[test]
#[ignore = "more: a part of make chaos"]
fn a_database_has_no_connection_left() {
    play("5 every connection of the database cut and none given for 4 s", &HURT, |trial| {
        trial.until_share(0.3);
        let (postgres, name) = (trial.servers.postgres, trial.database.name().to_owned());
        // The user of the tests is a superuser, to whom no limit of connections applies; this applies to all.
        postgres.sql("postgres", &format!("alter database {name} allow_connections false"));
        let cut = format!("select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = '{name}'");
        postgres.sql("postgres", &cut);
        std::thread::sleep(Duration::from_secs(4));
        postgres.sql("postgres", &format!("alter database {name} allow_connections true"));
        trial.over();
    });
}

#[test]
#[ignore = "more: a part of make chaos"]
fn both_servers_die_at_once() {
    let setting = Setting { ground: Ground::Own, ..HURT };
    play("4, 5 broker and database killed at once", &setting, |trial| {
        trial.until_share(0.3);
        trial.servers.postgres.kill();
        trial.servers.broker.kill();
        trial.servers.postgres.start_again();
        trial.servers.broker.start_again();
        trial.over();
    });
}
