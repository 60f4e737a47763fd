//! Patience: what counts as a sign of life and what does not.

use std::time::Duration;

use agentwrite::call::{CallFailure, ChatAnswer};
use agentwrite::failure::ErrorCode;
use agentwrite::ports::ChatModel;
use llm::HttpChat;

use crate::server::{Server, Step, chunk, finish, request, stream_head, text};

const SHORT: Duration = Duration::from_millis(80);
const LONG: Duration = Duration::from_mins(1);

async fn ask(steps: Vec<Step>, first_token: Duration, idle: Duration) -> Result<ChatAnswer, CallFailure> {
    let server = Server::start(vec![steps]);
    let mut config = server.config();
    config.timeouts.first_token = first_token;
    config.timeouts.idle = idle;
    HttpChat::new(config).unwrap().chat(request()).await
}

fn sent(data: &[&str]) -> Step {
    let pieces = data.iter().map(|event| chunk(format!("data: {event}\n\n").as_bytes()));
    Step::Send(stream_head().into_iter().chain(pieces.flatten()).collect())
}

#[tokio::test]
async fn silence_keep_alives_and_empty_chunks_are_not_a_first_token() {
    let role_only = r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#;
    for steps in [
        vec![Step::Hold],
        vec![Step::Send(stream_head()), Step::Hold],
        vec![sent(&[role_only]), Step::Hold],
        vec![Step::Send(stream_head()), Step::Repeat("e\r\n: keep-alive\n\n\r\n")],
        vec![Step::Send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n".to_vec()), Step::Repeat("\n")],
    ] {
        let failure = ask(steps, SHORT, LONG).await.unwrap_err();
        assert_eq!(failure.code, ErrorCode::FirstTokenTimeout);
        assert!(failure.usage.prompt_tokens > 0 && failure.partial.is_empty());
    }
}

#[tokio::test]
async fn after_the_first_token_silence_and_keep_alives_are_idleness() {
    for (event, partial) in [(text("half"), "half"), (r#"{"choices":[{"delta":{"reasoning":"hm"}}]}"#.to_owned(), "")] {
        for last in [Step::Hold, Step::Repeat("e\r\n: keep-alive\n\n\r\n")] {
            let failure = ask(vec![sent(&[&event]), last], LONG, SHORT).await.unwrap_err();
            assert_eq!((failure.code, failure.partial.as_str()), (ErrorCode::IdleTimeout, partial));
            assert!(failure.usage.completion_tokens > 0, "it may have been paid for");
        }
    }
}

#[tokio::test]
async fn a_long_answer_that_keeps_coming_outlives_both_limits() {
    let delta = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"word \"}}]}\n\n";
    let script = |count: usize| {
        let mut steps = vec![Step::Send(stream_head())];
        for _ in 0..count {
            steps.push(Step::Send(chunk(delta.as_bytes())));
            steps.push(Step::Pause(SHORT / 4));
        }
        steps.push(Step::Send(chunk(format!("data: {}\n\n", finish("stop")).as_bytes())));
        steps.push(Step::Send(b"0\r\n\r\n".to_vec()));
        steps
    };
    let answer = ask(script(20), SHORT * 2, SHORT * 2).await.unwrap();
    assert_eq!(answer.text, "word ".repeat(20));
    assert!(answer.total > SHORT * 2 && answer.first_token < answer.total);
}

#[tokio::test]
async fn a_finished_answer_does_not_wait_long_for_usage_or_the_end() {
    for data in [vec![text("whole"), finish("stop")], vec![text("whole"), finish("stop"), "[DONE]".to_owned()]] {
        let data: Vec<&str> = data.iter().map(String::as_str).collect();
        for last in [Step::Hold, Step::Repeat("e\r\n: keep-alive\n\n\r\n")] {
            let answer = ask(vec![sent(&data), last], LONG, SHORT).await.unwrap();
            assert_eq!(answer.text, "whole");
        }
    }
}
