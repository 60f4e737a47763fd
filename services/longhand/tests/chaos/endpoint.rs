//! The endpoint misbehaves, or answers when nobody waits any more.

use std::time::Duration;

use harness::process::Weather;

use crate::play;
use crate::trial::{Setting, Through, Who};

/// Waits that are long for the simulator and short for a test.
const SHORT: &[(&str, &str)] = &[
    ("LONGHAND__ENDPOINT__CONNECT_SECONDS", "2"),
    ("LONGHAND__ENDPOINT__FIRST_TOKEN_SECONDS", "1"),
    ("LONGHAND__ENDPOINT__IDLE_SECONDS", "1"),
];

/// What the endpoint says without an answer changes no text.
#[test]
#[ignore = "more: a part of make chaos"]
fn an_endpoint_refuses_fails_and_breaks_off() {
    const FAULTS: &[&str] = &["--faults", "rate_429=0.03,rate_500=0.03,rate_503=0.03,reset=0.03"];
    let setting = Setting { simulator: FAULTS, environment: SHORT, ..Setting::USUAL };
    play("14 endpoint: 3 % each of 429, 500, 503, reset", &setting, |trial| {
        trial.until_share(0.3);
        trial.kill(Who::Writer);
        trial.launch(Who::Writer);
        trial.over();
    });
}

/// Answers that a gate rejects are asked for again in other words.
#[test]
fn an_endpoint_answers_badly() {
    const FAULTS: &[&str] = &["--faults", "all=0.02"];
    let setting = Setting { simulator: FAULTS, environment: SHORT, other_texts: true, ..Setting::USUAL };
    play("14 endpoint: 2 % of every fault", &setting, |trial| {
        trial.until_share(0.3);
        trial.kill(Who::Writer);
        trial.launch(Who::Writer);
        trial.over();
    });
}

/// The writer gives calls up that the endpoint answers all the same: each such answer is paid again, and is counted.
#[test]
#[ignore = "more: a part of make chaos"]
fn an_endpoint_answers_after_the_client_has_gone() {
    let setting = Setting { through: Some(Through::Endpoint), environment: SHORT, ..Setting::LONG };
    play("15 answers held back past the client's patience", &setting, |trial| {
        trial.until_share(0.3);
        trial.proxy.as_ref().expect("the row has a proxy").set(Weather::BlackHole);
        std::thread::sleep(Duration::from_secs(2));
        trial.proxy.as_ref().expect("the row has a proxy").set(Weather::Clear);
        trial.over();
    });
}
