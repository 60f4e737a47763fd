//! The broker dies, forgets everything, stops taking messages, closes what is slow.

use std::time::{Duration, Instant};

use crate::ground::Ground;
use crate::trial::{Setting, Trial, Who};
use crate::{MOST, play, play_times};

/// Rows that hurt the broker: the calls go on for a while without it.
const HURT: Setting = Setting { ground: Ground::OwnBroker, ..Setting::LONG };

#[test]
fn a_broker_is_killed_and_comes_back() {
    play("4 broker killed and started again", &HURT, |trial| down_for(trial, Duration::ZERO));
}

#[test]
#[ignore = "more: a part of make chaos"]
fn a_broker_is_down_for_a_minute() {
    play_times(1, "4 broker down for 60 s", &HURT, |trial| down_for(trial, Duration::from_secs(60)));
}

fn down_for(trial: &mut Trial, time: Duration) {
    trial.until_share(0.3);
    trial.servers.broker.kill();
    std::thread::sleep(time);
    trial.servers.broker.start_again();
    trial.over();
}

/// What a process says whose consumer has to begin anew.
const LOST: &str = "a consumer lost its connection";

/// Two rescue intervals after the planner can reach the broker; it tries every ten seconds at the latest.
const FILLED_WITHIN: Duration = Duration::from_secs(10 + 2);

/// What the store holds for published and nobody has taken is published again, by nobody's command. Leases are long here:
/// after two of them a single message would be taken for lost anyway.
#[test]
fn a_broker_forgets_everything() {
    let setting = Setting { leases: [20.0, 1.0, 1.0], ..HURT };
    play("4 broker's data wiped", &setting, |trial| {
        trial.until_share(0.3);
        trial.servers.broker.kill();
        trial.servers.broker.wipe();
        trial.servers.broker.start_again();
        let (since, back) = (Instant::now(), trial.count("select (extract(epoch from now()) * 1000)::bigint"));
        let lost = format!("select count(*) from task where state = 'ready' and published_at < {back}");
        let count = trial.count(&lost);
        assert!(count > 0, "messages were lost");
        trial.until("what was lost is published again", |trial| trial.count(&lost) == 0);
        let took = since.elapsed();
        eprintln!("{count} lost messages were published again within {took:?}");
        assert!(took < FILLED_WITHIN, "published again after {took:?}");
        trial.over();
    });
}

#[test]
fn a_broker_stops_taking_messages() {
    play("10 memory alarm for 5 s", &HURT, |trial| {
        trial.until_share(0.2);
        trial.servers.broker.set_memory_alarm();
        std::thread::sleep(Duration::from_secs(5));
        trial.servers.broker.clear_memory_alarm();
        trial.over();
    });
}

#[test]
#[ignore = "more: a part of make chaos"]
fn a_broker_stands_still() {
    play("7 broker stopped for 12 s, connections open", &HURT, |trial| {
        trial.until_share(0.3);
        trial.servers.broker.pause();
        std::thread::sleep(Duration::from_secs(12));
        trial.servers.broker.resume();
        trial.over();
    });
}

#[test]
#[ignore = "more: a part of make chaos"]
fn every_connection_is_closed_by_the_broker() {
    play("7 broker closes all connections, 3 times", &HURT, |trial| {
        for share in [0.2, 0.35, 0.5] {
            trial.until_share(share);
            trial.servers.broker.close_connections();
            trial.over();
        }
    });
}

/// A delivery that is held for too long costs its channel. The broker looks once a minute; here it is made to look.
#[test]
#[ignore = "more: a part of make chaos"]
fn a_consumer_is_too_slow_for_the_broker() {
    const TIMEOUT: &str = "application:set_env(rabbit, consumer_timeout, 500).";
    const USUAL: &str = "application:set_env(rabbit, consumer_timeout, 1800000).";
    const LOOK: &str = "[C ! tick || C <- rabbit_channel:list_local()].";
    let setting = Setting { latency_ms: 1_500, samples: 20, ..HURT };
    play("11 consumer timeout of 0.5 s under calls of 1.5 s", &setting, |trial| {
        trial.until_share(0.1);
        let broker = trial.servers.broker;
        broker.ctl(&["eval", TIMEOUT]);
        // Channels keep the timeout that they were opened under.
        trial.drain(Who::Writer);
        trial.launch(Who::Writer);
        trial.over();
        for _ in 0..3 {
            broker.ctl(&["eval", LOOK]);
        }
        trial.child(Who::Writer).until_stderr(LOST, MOST);
        broker.ctl(&["eval", USUAL]);
        trial.over();
    });
}
