//! The broker dies, forgets everything, stops taking messages, closes what is slow.

use std::time::{Duration, Instant};

use crate::ground::Ground;
use crate::play;
use crate::trial::{LEASES, Setting, Trial, Who};

/// Rows that hurt the broker: the calls go on for a while without it.
const HURT: Setting = Setting { ground: Ground::OwnBroker, ..Setting::LONG };

#[test]
fn a_broker_is_killed_and_comes_back() {
    play("4 broker killed and started again", &HURT, |trial| {
        trial.until_share(0.3);
        trial.servers.broker.kill();
        trial.servers.broker.start_again();
        trial.over();
    });
}

fn down_for(trial: &mut Trial, time: Duration) {
    trial.until_share(0.3);
    trial.servers.broker.kill();
    std::thread::sleep(time);
    trial.servers.broker.start_again();
    trial.over();
}

#[test]
#[ignore = "long: a part of make chaos"]
fn a_broker_is_down_for_a_minute() {
    play("4 broker down for 60 s", &HURT, |trial| down_for(trial, Duration::from_secs(60)));
}

/// What the store holds for published and nobody has taken must be published again, by nobody's command.
#[test]
fn a_broker_forgets_everything() {
    play("4 broker's data wiped", &HURT, |trial| {
        trial.until_share(0.3);
        trial.servers.broker.kill();
        trial.servers.broker.wipe();
        let lost = "select count(*) from task where state = 'ready' and published_at is not null and published_at < ";
        trial.servers.broker.start_again();
        let (since, wiped) = (Instant::now(), trial.count("select (extract(epoch from now()) * 1000)::bigint"));
        trial.over();
        trial.until("what was lost is published again", |trial| trial.count(&format!("{lost}{wiped}")) == 0);
        let took = since.elapsed();
        eprintln!("published again {took:?} after the broker came back");
        let most = Duration::from_secs_f64(2.0 * LEASES[2]);
        assert!(took < most, "published again after {took:?}, not within two rescue intervals ({most:?})");
    });
}
