//! Optional fields that an endpoint refuses are dropped or renamed, once, and remembered.

use agentwrite::failure::ErrorCode;
use agentwrite::ports::ChatModel;
use llm::{AffinityField, HttpChat, JsonSchema};

use crate::server::{Server, Step, events, finish, json, request, text};

fn refuses(param: &str, message: &str) -> Vec<Step> {
    let body = format!(
        r#"{{"error":{{"message":"{message}","type":"invalid_request_error","param":"{param}","code":"unsupported_parameter"}}}}"#
    );
    vec![Step::Send(json("400 Bad Request", &body))]
}

fn answers() -> Vec<Step> {
    vec![Step::Send(events(&[&text("a"), &finish("stop"), "[DONE]"]))]
}

#[tokio::test]
async fn a_refused_field_is_dropped_at_once_and_stays_dropped() {
    let server = Server::start(vec![refuses("seed", "Unsupported parameter: 'seed'"), answers()]);
    let client = server.client();
    assert_eq!(client.chat(request()).await.unwrap().text, "a");
    client.chat(request()).await.unwrap();
    let asked = server.asked();
    let seeds: Vec<bool> = asked.iter().map(|asked| asked.body.get("seed").is_some()).collect();
    assert_eq!(seeds, [true, false, false]);
    assert_eq!(asked[0].body["messages"], asked[1].body["messages"]);
    assert_eq!(client.dropped(), ["seed"]);
}

#[tokio::test]
async fn max_tokens_is_renamed_and_back() {
    let message =
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.";
    let back = refuses("max_completion_tokens", "Unknown parameter: 'max_completion_tokens'");
    let server = Server::start(vec![refuses("max_tokens", message), answers(), back, answers()]);
    let client = server.client();
    client.chat(request()).await.unwrap();
    client.chat(request()).await.unwrap();
    let names: Vec<(bool, bool)> = server
        .asked()
        .iter()
        .map(|asked| (asked.body.get("max_tokens").is_some(), asked.body.get("max_completion_tokens").is_some()))
        .collect();
    assert_eq!(names, [(true, false), (false, true), (false, true), (true, false)]);
}

#[tokio::test]
async fn several_fields_can_go_in_a_row_but_not_for_ever() {
    let chain = [
        refuses("stream_options", "Unknown parameter: 'stream_options'"),
        refuses(
            "temperature",
            "Unsupported value: 'temperature' does not support 0.5 with this model. Only the default (1) value is supported.",
        ),
        refuses("response_format.json_schema", "Invalid schema"),
        refuses("prompt_cache_key", "Unknown parameter: 'prompt_cache_key'"),
    ];
    let server = Server::start(chain.iter().cloned().chain([answers()]).collect());
    let mut config = server.config();
    config.affinity = Some(AffinityField::prompt_cache_key());
    let client = HttpChat::new(config.clone()).unwrap();
    let mut asked = request();
    asked.schema = Some(serde_json::json!({"type": "object"}).into());
    client.chat(asked.clone()).await.unwrap();
    assert_eq!(client.dropped(), ["temperature", "stream_options", "response_format", "prompt_cache_key"]);

    let five = chain.into_iter().chain([refuses("seed", "Unknown parameter: 'seed'"), answers()]);
    let server = Server::start(five.collect());
    config.base_url.clone_from(&server.url);
    let failure = HttpChat::new(config).unwrap().chat(asked).await.unwrap_err();
    assert_eq!((failure.code, server.asked().len()), (ErrorCode::BadRequest, 5));
}

#[tokio::test]
async fn a_field_of_the_users_own_and_a_schema_that_must_be_kept_stay_errors() {
    let server = Server::start(vec![refuses("seed", "Unsupported parameter: 'seed'")]);
    let mut asked = request();
    asked.extra_body.insert("seed".to_owned(), 7.into());
    assert_eq!(server.client().chat(asked).await.unwrap_err().code, ErrorCode::BadRequest);
    assert_eq!(server.asked().len(), 1);

    let server = Server::start(vec![refuses("response_format", "This response_format type is unavailable now")]);
    let mut config = server.config();
    config.json_schema = JsonSchema::Yes;
    let mut asked = request();
    asked.schema = Some(serde_json::json!({"type": "object"}).into());
    assert_eq!(HttpChat::new(config).unwrap().chat(asked).await.unwrap_err().code, ErrorCode::BadRequest);
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn nothing_else_is_sent_twice() {
    for status in ["429 Too Many Requests", "500 Oops", "503 Service Unavailable", "400 Bad Request"] {
        let server = Server::start(vec![vec![Step::Send(json(status, "{}"))]]);
        server.ask().await.unwrap_err();
        assert_eq!(server.asked().len(), 1, "{status}");
    }
}
