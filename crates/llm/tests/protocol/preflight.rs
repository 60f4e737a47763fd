//! What a preflight finds out about three kinds of endpoint.

use agentwrite::failure::ErrorCode;
use llm::{HttpChat, preflight};

use crate::server::{Server, Step, events, finish, json, text};

fn answers(data: &[&str]) -> Vec<Step> {
    vec![Step::Send(events(data))]
}

fn list(body: &str) -> Vec<Step> {
    vec![Step::Send(json("200 OK", body))]
}

const USAGE: &str =
    r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":0}}}"#;

#[tokio::test]
async fn vllm_tells_everything_in_its_list() {
    let models = list(r#"{"object":"list","data":[{"id":"smollm2","owned_by":"vllm","max_model_len":8192}]}"#);
    let server = Server::start(vec![models, answers(&[&text("OK"), &finish("stop"), USAGE, "[DONE]"])]);
    let mut config = server.config();
    config.key_source = "env OPENAI_API_KEY".to_owned();
    let chat = HttpChat::new(config).unwrap();
    let report = preflight(&chat, "smollm2", false).await;
    assert_eq!(report.host, server.url.trim_start_matches("http://"));
    assert_eq!((report.model_listed, report.context_tokens), (Some(true), Some(8192)));
    assert!(report.streaming_usage && report.cached_tokens_reported && report.json_schema.is_none());
    assert_eq!((report.failure, report.problems.len()), (None, 0), "{:?}", report.problems);
    assert_eq!(chat.context_tokens(), Some(8192), "what was learned stays with the client");
    assert_eq!(server.asked().len(), 2);
    let written = serde_json::to_value(&report).unwrap();
    assert_eq!(written["key_source"], "env OPENAI_API_KEY");
}

#[tokio::test]
async fn llama_cpp_tells_its_slots_context_beside_the_protocol() {
    let models = list(
        r#"{"object":"list","data":[{"id":"/m/smollm2.gguf","owned_by":"llamacpp","meta":{"n_ctx_train":8192}}]}"#,
    );
    let props = list(r#"{"default_generation_settings":{"n_ctx":2048},"total_slots":4}"#);
    let named = r#"{"model":"/m/smollm2.gguf","choices":[{"index":0,"delta":{"content":"{\"ok\":true}"},"finish_reason":"stop"}]}"#;
    let server = Server::start(vec![models, props, answers(&[named, USAGE, "[DONE]"])]);
    let report = preflight(&server.client(), "smollm2", true).await;
    assert_eq!((report.context_tokens, report.json_schema), (Some(2048), Some(true)));
    assert_eq!((report.model_listed, report.reported_model.as_deref()), (Some(false), Some("/m/smollm2.gguf")));
    assert!(report.problems[0].contains("does not list"), "{:?}", report.problems);
    assert!(server.asked()[1].head.starts_with("GET /props "));
}

#[tokio::test]
async fn an_endpoint_without_a_list_usage_or_schema_still_passes_with_its_problems_named() {
    let no_list = vec![Step::Send(json("404 Not Found", r#"{"detail":"Not Found"}"#))];
    let no_schema =
        vec![Step::Send(json("400 Bad Request", r#"{"error":{"message":"response_format is not supported"}}"#))];
    let server = Server::start(vec![no_list, no_schema, answers(&[&text("OK"), &finish("stop"), "[DONE]"])]);
    let report = preflight(&server.client(), "m", true).await;
    assert_eq!((report.failure, report.model_listed, report.json_schema), (None, None, Some(false)));
    assert_eq!(report.dropped, ["response_format"]);
    assert!(!report.streaming_usage && !report.cached_tokens_reported);
    assert_eq!(report.problems.len(), 3, "{:?}", report.problems);
}

#[tokio::test]
async fn a_wrong_key_is_named_first_and_a_model_that_reasons_is_no_failure() {
    let refused = vec![Step::Send(json("401 Unauthorized", r#"{"error":{"message":"Invalid key"}}"#))];
    let report = preflight(&Server::start(vec![refused]).client(), "m", false).await;
    assert_eq!(report.failure, Some(ErrorCode::Auth));
    assert!(report.problems[0].starts_with("auth: "), "{:?}", report.problems);
    let models = list(r#"{"data":[{"id":"m","context_length":131072},{"id":"n"}]}"#);
    let reasons = answers(&[r#"{"choices":[{"delta":{"reasoning":"hm"}}]}"#, &finish("length"), USAGE, "[DONE]"]);
    let report = preflight(&Server::start(vec![models, reasons]).client(), "m", false).await;
    assert_eq!((report.failure, report.context_tokens, report.streaming_usage), (None, Some(131_072), true));
}
