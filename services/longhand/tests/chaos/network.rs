//! Between a writer and its servers stands a network that is slow, silent, or cut. The other writer has a good one.

use std::time::Duration;

use harness::process::Weather;

use crate::trial::{LEASE, Setting, Through, Trial, Who};
use crate::{MOST, play};

fn weather(trial: &Trial, weather: Weather) {
    trial.proxy.as_ref().expect("the row has a proxy").set(weather);
}

/// A spell of bad weather.
fn spell(trial: &mut Trial, bad: Weather, time: Duration) {
    weather(trial, bad);
    std::thread::sleep(time);
    weather(trial, Weather::Clear);
    trial.over();
}

/// The writer's leases lapse, others take its tasks, and then its answers come: they win or are wasted, never both.
#[test]
fn a_writer_loses_its_database_for_longer_than_its_lease() {
    let setting = Setting { through: Some(Through::Database), ..Setting::LONG };
    play("7 black hole between a writer and the database for 2 leases", &setting, |trial| {
        trial.until_share(0.3);
        weather(trial, Weather::BlackHole);
        trial.allow_open_calls(Who::Writer);
        std::thread::sleep(LEASE * 2);
        weather(trial, Weather::Clear);
        trial.over();
    });
}

#[test]
#[ignore = "more: a part of make chaos"]
fn a_writer_is_cut_off_from_its_database() {
    let setting = Setting { through: Some(Through::Database), ..Setting::LONG };
    play("7 connections of a writer to the database cut for 1 s, 3 times", &setting, |trial| {
        for share in [0.15, 0.3, 0.45] {
            trial.until_share(share);
            spell(trial, Weather::Cut, Duration::from_secs(1));
        }
    });
}

#[test]
#[ignore = "more: a part of make chaos"]
fn a_writer_loses_its_broker_past_the_heartbeat() {
    let setting = Setting { through: Some(Through::Broker), ..Setting::LONG };
    play("7 black hole between a writer and the broker for 3 heartbeats", &setting, |trial| {
        trial.until_share(0.2);
        spell(trial, Weather::BlackHole, Duration::from_secs(6));
        trial.child(Who::Writer).until_stderr("a consumer lost its connection", MOST);
    });
}

#[test]
#[ignore = "more: a part of make chaos"]
fn a_writer_is_cut_off_from_its_broker() {
    let setting = Setting { through: Some(Through::Broker), ..Setting::LONG };
    play("7 connections of a writer to the broker cut for 1 s, 3 times", &setting, |trial| {
        for share in [0.15, 0.3, 0.45] {
            trial.until_share(share);
            spell(trial, Weather::Cut, Duration::from_secs(1));
        }
    });
}

#[test]
#[ignore = "more: a part of make chaos"]
fn connections_of_a_writer_are_slow() {
    // A claim is several round trips, and must be done well within these short leases.
    for (server, through, delay) in [("database", Through::Database, 20), ("broker", Through::Broker, 200)] {
        let setting = Setting { through: Some(through), latency_ms: 200, ..Setting::USUAL };
        play(&format!("7 every piece between a writer and the {server} takes {delay} ms"), &setting, |trial| {
            weather(trial, Weather::Slow(Duration::from_millis(delay)));
            trial.until_share(0.5);
            trial.over();
        });
    }
}
