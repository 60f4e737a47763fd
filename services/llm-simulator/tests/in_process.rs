//! The simulator behind the `ChatModel` port, on a paused clock.

use std::time::Duration;

use agentwrite::call::{ChatRequest, Finish, Message};
use agentwrite::failure::ErrorCode;
use agentwrite::ports::ChatModel;
use llm_simulator::{Faults, InProcess, MARKER, Simulator, SimulatorConfig};
use tokio::time::Instant;

fn request(content: &str) -> ChatRequest {
    ChatRequest {
        model: "m".to_owned(),
        messages: vec![Message::user(content)],
        go_on: None,
        temperature: 1.0,
        top_p: None,
        max_tokens: 4096,
        seed: 1,
        schema: None,
        extra_body: serde_json::Map::new(),
        affinity: "sample".to_owned(),
    }
}

fn model(config: SimulatorConfig) -> InProcess {
    InProcess::new(Simulator::new(config), Duration::from_secs(90))
}

#[tokio::test(start_paused = true)]
async fn latency_is_kept_in_the_time_of_the_runtime() {
    let model = model(SimulatorConfig { first_token_ms: 2_000, per_token_us: 10_000, ..SimulatorConfig::default() });
    let started = Instant::now();
    let answer = model.chat(request("Hello")).await.unwrap();
    let expected = Duration::from_secs(2) + Duration::from_millis(10 * answer.usage.completion_tokens);
    assert!(started.elapsed().abs_diff(expected) < Duration::from_millis(10));
    assert_eq!((answer.total, answer.first_token), (started.elapsed(), Duration::from_secs(2)));
    assert_eq!((answer.finish, answer.text.split_whitespace().count()), (Finish::Stop, 100));
    assert!(answer.usage.reported && !answer.had_reasoning);
}

#[tokio::test(start_paused = true)]
async fn faults_become_the_codes_of_the_port() {
    let expected = [
        ("429=1", ErrorCode::RateLimited),
        ("500=1", ErrorCode::ServerError),
        ("503=1", ErrorCode::Overloaded),
        ("reset=1", ErrorCode::Reset),
        ("keep_alive=1", ErrorCode::FirstTokenTimeout),
        ("broken_json=1", ErrorCode::BadResponse),
    ];
    for (faults, code) in expected {
        let faults: Faults = faults.parse().unwrap();
        let model = model(SimulatorConfig { faults, ..SimulatorConfig::default() });
        let failure = model.chat(request("Hello")).await.unwrap_err();
        assert_eq!(failure.code, code);
        assert_eq!(failure.retry_after.is_some(), code == ErrorCode::RateLimited);
        assert_eq!(model.simulator().stats(false).in_flight, 0);
    }
    let model = model(SimulatorConfig { context_tokens: Some(10), ..SimulatorConfig::default() });
    let failure = model.chat(request(&"Hello ".repeat(30))).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::ContextTooSmall);
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_meets_the_same_faults_and_a_try_again_gets_through() {
    let outcomes = async || {
        let model = model(SimulatorConfig { faults: Faults::all(0.05), ..SimulatorConfig::default() });
        let mut all = Vec::new();
        for call in 0..200 {
            let prompt = format!("Hello {call}");
            let mut tries = 0;
            loop {
                tries += 1;
                let good = match model.chat(request(&prompt)).await {
                    Ok(answer) => {
                        answer.finish == Finish::Stop
                            && !answer.text.contains(MARKER)
                            && !answer.text.trim().is_empty()
                            && !answer.had_reasoning
                    }
                    Err(_) => false,
                };
                if good {
                    break;
                }
                assert!(tries < 50, "a call must get through");
            }
            all.push(tries);
        }
        (all, model.simulator().stats(false).faults)
    };
    let (one, two) = (outcomes().await, outcomes().await);
    assert_eq!(one, two);
    assert!(one.0.iter().any(|&tries| tries > 1));
    // Plans alone meet garbage plans, and what `all` leaves out never happens.
    assert_eq!(one.1.len(), 12, "{:?}", one.1);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_frees_its_slot() {
    let model = model(SimulatorConfig { concurrency: Some(1), latency_ms: Some(60_000), ..SimulatorConfig::default() });
    let short = Duration::from_secs(1);
    assert!(tokio::time::timeout(short, model.chat(request("One"))).await.is_err());
    assert!(model.chat(request("Two")).await.is_ok());
    let stats = model.simulator().stats(false);
    assert_eq!((stats.aborted, stats.answered, stats.in_flight), (1, 1, 0));
}
