//! A longer run in which everything is killed, the servers too, again and again.

use std::time::{Duration, Instant};

use crate::ground::Ground;
use crate::play_times;
use crate::trial::{Setting, Trial, Who};

/// 500 samples of 4 sections.
const RUN: Setting = Setting {
    ground: Ground::Own,
    samples: 500,
    slots: 16,
    latency_ms: 1_000,
    most: Duration::from_secs(900),
    ..Setting::USUAL
};

/// Whoever is next.
fn kill(trial: &mut Trial) {
    const SERVICES: [Who; 4] = [Who::Writer, Who::Planner, Who::OtherWriter, Who::Packer];
    match (trial.random() * 6.0) as usize {
        4 => {
            trial.servers.broker.kill();
            trial.servers.broker.start_again();
        }
        5 => {
            trial.servers.postgres.kill();
            trial.servers.postgres.start_again();
        }
        service => {
            let who = SERVICES[service.min(3)];
            trial.kill(who);
            trial.launch(who);
        }
    }
}

#[test]
#[ignore = "more: a part of make chaos"]
fn everything_is_killed_every_ten_seconds() {
    let mut calm = Duration::ZERO;
    play_times(1, "500 samples, undisturbed", &RUN, |trial| {
        trial.until("the run is complete", |trial| trial.answered() == RUN.calls());
        calm = trial.started.elapsed();
    });
    play_times(1, "500 samples, everything killed every 10 s", &RUN, |trial| {
        let mut last = Instant::now();
        while trial.answered() < RUN.calls() {
            std::thread::sleep(Duration::from_millis(200));
            if last.elapsed() > Duration::from_secs(10) {
                kill(trial);
                trial.over();
                last = Instant::now();
            }
        }
        let took = trial.started.elapsed();
        eprintln!("500 samples: {calm:?} undisturbed, {took:?} with kills");
        assert!(took < calm * 3, "{took:?} with kills, {calm:?} without");
    });
}
