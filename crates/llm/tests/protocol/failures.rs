//! Refusals and broken answers: the code, the words, what to wait for, and never a key.

use std::time::Duration;

use agentwrite::call::CallFailure;
use agentwrite::failure::ErrorCode;
use agentwrite::ports::ChatModel;
use llm::{AffinityField, HttpChat};
use secrecy::SecretString;

use crate::server::{Server, events, finish, json, request, response, text};

const KEY: &str = "test-key-0123456789abcdef";

#[tokio::test]
async fn limits_and_retry_after_are_read_from_a_429() {
    let headers = "retry-after: 20\r\nx-ratelimit-remaining-requests: 0\r\nx-ratelimit-reset-tokens: 6m0s\r\n";
    let body = r#"{"error":{"message":"Rate limit reached","type":"tokens","code":"rate_limit_exceeded"}}"#;
    let failure = Server::one(response("429 Too Many Requests", headers, body)).ask().await.unwrap_err();
    assert_eq!((failure.code, failure.status), (ErrorCode::RateLimited, Some(429)));
    assert_eq!(failure.retry_after, Some(Duration::from_secs(20)));
    assert_eq!(failure.limits.remaining_requests, Some(0));
    assert_eq!(failure.limits.reset_tokens, Some(Duration::from_mins(6)));
    assert_eq!(failure.usage.prompt_tokens, 0, "a refusal costs nothing");
}

#[tokio::test]
async fn limits_are_read_from_an_answer_too() {
    let head = "HTTP/1.1 200 OK\r\nx-ratelimit-remaining-tokens: 149984\r\ntransfer-encoding: chunked\r\n\r\n";
    let stream = events(&[&text("a"), &finish("stop"), "[DONE]"]);
    let body = stream.windows(4).position(|bytes| bytes == b"\r\n\r\n").map(|at| &stream[at + 4..]).unwrap();
    let answer = Server::one([head.as_bytes(), body].concat()).ask().await.unwrap();
    assert_eq!(answer.limits.remaining_tokens, Some(149_984));
}

#[tokio::test]
async fn each_refusal_has_its_class() {
    for (status, body, code) in [
        ("401 Unauthorized", r#"{"error":{"message":"no","code":"invalid_api_key"}}"#, ErrorCode::Auth),
        ("403 Forbidden", "no", ErrorCode::Auth),
        ("429 Too Many Requests", r#"{"error":{"message":"x","code":"insufficient_quota"}}"#, ErrorCode::Quota),
        (
            "429 Too Many Requests",
            r#"{"error":{"type":"enforced_spend_limit_reached","message":"x"}}"#,
            ErrorCode::Quota,
        ),
        ("503 Service Unavailable", "", ErrorCode::Overloaded),
        ("529 Overloaded", "", ErrorCode::Overloaded),
        ("502 Bad Gateway", "<html><title>502</title></html>", ErrorCode::ServerError),
        (
            "400 Bad Request",
            r#"{"error":{"message":"x","code":"content_filter","status":400}}"#,
            ErrorCode::ContentFilter,
        ),
    ] {
        let failure = Server::one(json(status, body)).ask().await.unwrap_err();
        assert_eq!(failure.code, code, "{status} {body}");
        assert!(!failure.message.is_empty());
    }
}

#[tokio::test]
async fn nobody_there_is_a_connection_failure_that_cost_nothing() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for url in [format!("http://{free}"), "http://no-such-host.invalid".to_owned()] {
        let config = llm::EndpointConfig::new("gone", url);
        let failure = HttpChat::new(config).unwrap().chat(request()).await.unwrap_err();
        assert_eq!((failure.code, failure.usage.prompt_tokens), (ErrorCode::Connection, 0), "{failure}");
    }
}

#[tokio::test]
async fn redirects_are_refused_and_not_followed() {
    let target = Server::one(events(&[&text("stolen"), &finish("stop"), "[DONE]"]));
    let location = format!("location: {}/v1/chat/completions?key=hidden\r\n", target.url);
    for status in ["301 Moved Permanently", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let failure = Server::one(response(status, &location, "")).ask().await.unwrap_err();
        assert_eq!(failure.code, ErrorCode::BadRequest);
        assert!(failure.message.contains("redirects") && !failure.message.contains("hidden"), "{}", failure.message);
    }
    assert!(target.asked().is_empty());
}

#[tokio::test]
async fn an_error_inside_a_200_is_an_error() {
    let overloaded = r#"{"error":{"message":"Overloaded","type":"overloaded_error"}}"#;
    let provider = r#"{"error":{"message":"Provider returned error","code":502}}"#;
    for (body, code) in [
        (json("200 OK", overloaded), ErrorCode::Overloaded),
        (json("200 OK", provider), ErrorCode::ServerError),
        (events(&[overloaded]), ErrorCode::Overloaded),
        (events(&[r#"{"error":{"message":"limit","type":"rate_limit_error"},"choices":[]}"#]), ErrorCode::RateLimited),
        (events(&[r#"{"object":"error","message":"bad","type":"BadRequestError","code":400}"#]), ErrorCode::BadRequest),
        (
            response(
                "200 OK",
                "",
                "event: error\ndata: {\"message\":\"Overloaded\",\"type\":\"overloaded_error\"}\n\n",
            ),
            ErrorCode::Overloaded,
        ),
    ] {
        assert_eq!(Server::one(body).ask().await.unwrap_err().code, code);
    }
    let midway = Server::one(events(&[&text("half"), provider])).ask().await.unwrap_err();
    assert_eq!((midway.code, midway.partial.as_str()), (ErrorCode::ServerError, "half"));
}

#[tokio::test]
async fn a_call_that_is_kept_waiting_and_then_closed_met_an_overloaded_endpoint() {
    for body in [
        response("200 OK", "content-type: text/event-stream\r\n", ": keep-alive\n\n: keep-alive\n\n"),
        response("200 OK", "content-type: application/json\r\n", "\n\n\n"),
    ] {
        assert_eq!(Server::one(body).ask().await.unwrap_err().code, ErrorCode::Overloaded);
    }
}

#[tokio::test]
async fn what_is_not_the_protocol_is_a_bad_response() {
    for body in [
        response("200 OK", "content-type: text/html\r\n", "<!doctype html><title>Welcome to nginx!</title>"),
        response("200 OK", "content-type: text/plain\r\n", "ok"),
        response("200 OK", "", ""),
        json("200 OK", r#"{"id":1,"result":"wrong shape"}"#),
        json("200 OK", r#"{"choices": "none"}"#),
        json("200 OK", "{not json}"),
        events(&["not json"]),
    ] {
        let failure = Server::one(body).ask().await.unwrap_err();
        assert_eq!((failure.code, failure.status), (ErrorCode::BadResponse, Some(200)), "{failure}");
    }
}

#[tokio::test]
async fn answers_events_and_error_pages_are_capped() {
    let long = "x".repeat(600);
    let many = vec![text(&long); 4];
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let one = text(&"x".repeat(4000));
    let whole = format!(r#"{{"choices":[{{"message":{{"content":"{}"}},"finish_reason":"stop"}}]}}"#, "x".repeat(9000));
    for body in [events(&many), events(&[&one]), json("200 OK", &whole)] {
        let server = Server::one(body);
        let mut config = server.config();
        config.max_answer_bytes = 2000;
        let failure = HttpChat::new(config).unwrap().chat(request()).await.unwrap_err();
        assert_eq!(failure.code, ErrorCode::BadResponse);
        assert!(failure.message.contains("large"), "{}", failure.message);
    }
    let page = Server::one(response("500 Oops", "", &"page ".repeat(100_000))).ask().await.unwrap_err();
    assert!(page.message.chars().count() <= 500);
}

#[tokio::test]
async fn a_key_is_sent_as_bearer_and_shown_nowhere() {
    let body = format!(r#"{{"error":{{"message":"Incorrect API key provided: {KEY}.","code":"invalid_api_key"}}}}"#);
    let in_event = format!(r#"{{"error":{{"message":"bad key {KEY}"}}}}"#);
    for reply in [json("401 Unauthorized", &body), events(&[&in_event])] {
        let server = Server::one(reply);
        let mut config = server.config();
        config.api_key = Some(SecretString::from(format!("{KEY}\n")));
        let client = HttpChat::new(config.clone()).unwrap();
        let failure: CallFailure = client.chat(request()).await.unwrap_err();
        for shown in [format!("{failure}"), format!("{failure:?}"), format!("{client:?}"), format!("{config:?}")] {
            assert!(!shown.contains(KEY), "{shown}");
        }
        assert!(failure.message.contains("[key]"));
        let head = &server.asked()[0].head;
        assert!(head.contains(&format!("authorization: Bearer {KEY}\r\n")), "{head}");
    }
}

#[tokio::test]
async fn the_affinity_goes_where_the_endpoint_wants_it() {
    let server = Server::one(events(&[&text("a"), &finish("stop"), "[DONE]"]));
    for (affinity, in_head, in_body) in [
        (None, false, false),
        (Some(AffinityField::Header("x-session-affinity".to_owned())), true, false),
        (Some(AffinityField::prompt_cache_key()), false, true),
    ] {
        let mut config = server.config();
        config.affinity = affinity;
        HttpChat::new(config).unwrap().chat(request()).await.unwrap();
        let asked = server.asked().pop().unwrap();
        assert_eq!(asked.head.contains("x-session-affinity: smp_1"), in_head);
        assert_eq!(asked.body["prompt_cache_key"] == "smp_1", in_body);
        assert!(!asked.head.to_lowercase().contains("authorization"), "no key, no header");
        assert!(asked.head.starts_with("POST /v1/chat/completions HTTP/1.1"));
    }
}
