//! The table of protocol differences between llama.cpp's server (through xllamacpp), llama-cpp-python and vLLM 0.32.

use agentwrite::call::{ChatAnswer, Finish};
use agentwrite::failure::ErrorCode;
use agentwrite::ports::ChatModel;

use crate::server::{Server, events, finish, json, request, response, text};

async fn answer(data: &[&str]) -> ChatAnswer {
    Server::one(events(data)).ask().await.unwrap()
}

async fn refusal(status: &str, body: &str) -> agentwrite::call::CallFailure {
    Server::one(json(status, body)).ask().await.unwrap_err()
}

#[tokio::test]
async fn unknown_model_is_answered_under_another_name_echoed_or_refused() {
    let alias =
        r#"{"model":"/models/smollm2.gguf","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}"#;
    assert_eq!(answer(&[alias, "[DONE]"]).await.model.as_deref(), Some("/models/smollm2.gguf"));
    let echo = r#"{"model":"no-such-model","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}"#;
    assert_eq!(answer(&[echo, "[DONE]"]).await.model.as_deref(), Some("no-such-model"));
    let body =
        r#"{"error":{"message":"The model `x` does not exist.","type":"NotFoundError","param":"model","code":404}}"#;
    let failure = refusal("404 Not Found", body).await;
    assert_eq!((failure.code, failure.status), (ErrorCode::BadRequest, Some(404)));
    assert!(failure.message.contains("does not exist"), "{}", failure.message);
}

#[tokio::test]
async fn a_prompt_that_is_too_long_is_one_code_in_three_wordings() {
    for body in [
        r#"{"error":{"code":400,"message":"request (3021 tokens) exceeds the available context size (512 tokens), try increasing it","type":"exceed_context_size_error","n_prompt_tokens":3021,"n_ctx":512}}"#,
        r#"{"error":{"message":"This model's maximum context length is 512 tokens, however you requested 3321 tokens","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#,
        r#"{"error":{"message":"This model's maximum context length is 512 tokens. However, your request has 3021 input tokens.","type":"BadRequestError","param":"input_tokens","code":400}}"#,
    ] {
        let server = Server::one(json("400 Bad Request", body));
        let client = server.client();
        assert_eq!(client.context_tokens(), None);
        assert_eq!(client.chat(request()).await.unwrap_err().code, ErrorCode::ContextTooSmall, "{body}");
        assert_eq!(client.context_tokens(), Some(512), "learned from {body}");
        assert_eq!(server.asked().len(), 1);
    }
}

#[tokio::test]
async fn max_tokens_past_every_limit_is_refused_by_vllm_and_not_renamed() {
    let body = r#"{"error":{"message":"max_tokens must be at most 8192, got 100000","type":"BadRequestError","param":"max_tokens","code":400}}"#;
    let server = Server::one(json("400 Bad Request", body));
    let client = server.client();
    assert_eq!(client.chat(request()).await.unwrap_err().code, ErrorCode::BadRequest);
    assert_eq!((server.asked().len(), client.dropped().len()), (1, 0));
    let with_context = r#"{"error":{"message":"'max_tokens' or 'max_completion_tokens' is too large: 100000. This model's maximum context length is 512 tokens and your request has 34 input tokens","type":"BadRequestError","param":"max_tokens","code":400}}"#;
    assert_eq!(refusal("400 Bad Request", with_context).await.code, ErrorCode::ContextTooSmall);
}

#[tokio::test]
async fn a_full_context_clips_the_answer_with_length_or_stops_with_nothing() {
    let usage = r#"{"choices":[],"usage":{"prompt_tokens":411,"completion_tokens":101,"total_tokens":512}}"#;
    let clipped = answer(&[&text("clipped"), &finish("length"), usage, "[DONE]"]).await;
    assert_eq!((clipped.finish, clipped.usage.completion_tokens), (Finish::Length, 101));
    let nothing = answer(&[
        r#"{"choices":[{"index":0,"delta":{"role":"assistant"},"finish_reason":null}]}"#,
        &finish("stop"),
        "[DONE]",
    ])
    .await;
    assert_eq!((nothing.finish, nothing.text.as_str()), (Finish::Stop, ""));
}

#[tokio::test]
async fn only_max_tokens_is_sent_because_llama_cpp_python_ignores_the_other_name() {
    let server = Server::one(events(&[&text("a"), &finish("stop"), "[DONE]"]));
    server.ask().await.unwrap();
    let body = &server.asked()[0].body;
    assert_eq!((body["max_tokens"].clone(), body.get("max_completion_tokens")), (300.into(), None));
    assert_eq!((body["seed"].clone(), body["stream_options"]["include_usage"].clone()), (42.into(), true.into()));
}

#[tokio::test]
async fn malformed_requests_come_back_in_json_in_plain_text_and_as_a_list() {
    let llama = refusal(
        "400 Bad Request",
        r#"{"error":{"code":400,"message":"Missing required 'messages'","type":"invalid_request_error"}}"#,
    )
    .await;
    assert_eq!(llama.code, ErrorCode::BadRequest);
    let plain =
        Server::one(response("500 Internal Server Error", "content-type: text/plain\r\n", "Internal Server Error"));
    let plain = plain.ask().await.unwrap_err();
    assert_eq!((plain.code, plain.message.as_str()), (ErrorCode::ServerError, "Internal Server Error"));
    let list = r#"{"error":{"message":"[{'type': 'missing', 'loc': ('body', 'messages')}]","type":"internal_server_error","param":null,"code":null}}"#;
    assert_eq!(refusal("500 Internal Server Error", list).await.code, ErrorCode::ServerError);
    let detail = r#"{"detail":[{"type":"missing","loc":["body","messages"],"msg":"Field required"}]}"#;
    assert_eq!(refusal("422 Unprocessable Entity", detail).await.code, ErrorCode::BadRequest);
    let range = r#"{"error":{"message":"temperature must be non-negative, got -1.0.","type":"BadRequestError","param":"temperature","code":400}}"#;
    assert_eq!(refusal("400 Bad Request", range).await.code, ErrorCode::BadRequest);
}

#[tokio::test]
async fn of_several_choices_the_first_is_the_answer() {
    let second = r#"{"choices":[{"index":1,"delta":{"content":"other"},"finish_reason":"length"}]}"#;
    let usage = r#"{"choices":[],"usage":{"prompt_tokens":30,"completion_tokens":10}}"#;
    let both = answer(&[&text("one"), second, &finish("stop"), usage, "[DONE]"]).await;
    assert_eq!((both.text.as_str(), both.finish, both.usage.completion_tokens), ("one", Finish::Stop, 10));
}

#[tokio::test]
async fn usage_comes_in_its_own_chunk_or_not_at_all() {
    let usage = r#"{"choices":[],"usage":{"completion_tokens":5,"prompt_tokens":34,"total_tokens":39,"prompt_tokens_details":{"cached_tokens":33}}}"#;
    let told = answer(&[&text("a"), &finish("stop"), usage, "[DONE]"]).await.usage;
    assert_eq!((told.prompt_tokens, told.cached_tokens, told.completion_tokens, told.reported), (34, 33, 5, true));
    let guessed = answer(&[&text("twelve bytes"), &finish("stop"), "[DONE]"]).await.usage;
    assert_eq!((guessed.completion_tokens, guessed.reported), (3, false));
    assert!(guessed.prompt_tokens > 0);
    let without_details =
        r#"{"choices":[],"usage":{"prompt_tokens":34,"completion_tokens":5,"prompt_tokens_details":null}}"#;
    assert_eq!(answer(&[&text("a"), &finish("stop"), without_details, "[DONE]"]).await.usage.cached_tokens, 0);
}

#[tokio::test]
async fn unknown_fields_are_tolerated_everywhere() {
    let llama = r#"{"choices":[],"created":1,"id":"c1","usage":{"prompt_tokens":3,"completion_tokens":1},"timings":{"cache_n":33,"prompt_per_second":157.2},"__verbose":{"a":[]}}"#;
    let vllm = r#"{"id":"c1","service_tier":null,"metrics":{"x":1},"prompt_token_ids":[1,2],"choices":[{"index":0,"stop_reason":2,"token_ids":null,"logprobs":null,"delta":{"content":"a","reasoning":null,"tool_calls":[]},"finish_reason":"stop"}]}"#;
    let both = answer(&[vllm, llama, "[DONE]"]).await;
    assert_eq!((both.text.as_str(), both.response_id.as_deref(), both.had_reasoning), ("a", Some("c1"), false));
}

#[tokio::test]
async fn the_first_chunk_may_be_null_role_only_or_empty() {
    for first in [
        r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":null},"finish_reason":null}]}"#,
        r#"{"choices":[{"index":0,"delta":{"role":"assistant"},"finish_reason":null,"logprobs":null}]}"#,
        r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#,
    ] {
        assert_eq!(answer(&[first, &text("a"), &finish("stop"), "[DONE]"]).await.text, "a");
    }
}

#[tokio::test]
async fn a_stream_that_llama_cpp_python_interrupts_is_a_cut_answer() {
    let server = Server::one(events(&[&text("half a sent"), "[DONE]"]));
    let failure = server.ask().await.unwrap_err();
    assert_eq!((failure.code, failure.partial.as_str()), (ErrorCode::Cut, "half a sent"));
    assert!(failure.usage.completion_tokens > 0 && !failure.usage.reported);
}

#[tokio::test]
async fn not_found_comes_in_both_envelopes() {
    let llama =
        refusal("404 Not Found", r#"{"error":{"code":404,"message":"File Not Found","type":"not_found_error"}}"#).await;
    assert_eq!((llama.code, llama.message.as_str()), (ErrorCode::BadRequest, "File Not Found"));
    let fastapi = refusal("404 Not Found", r#"{"detail":"Not Found"}"#).await;
    assert_eq!((fastapi.code, fastapi.message.as_str()), (ErrorCode::BadRequest, "Not Found"));
    let method = refusal("405 Method Not Allowed", r#"{"detail":"Method Not Allowed"}"#).await;
    assert_eq!(method.code, ErrorCode::BadRequest);
}

#[tokio::test]
async fn extra_body_carries_what_only_some_servers_know() {
    let server = Server::one(events(&[&text("a"), &finish("stop"), "[DONE]"]));
    let mut asked = request();
    asked.extra_body =
        serde_json::json!({"grammar": "root ::= [a-z]+", "ignore_eos": true}).as_object().unwrap().clone();
    server.client().chat(asked).await.unwrap();
    let body = &server.asked()[0].body;
    assert_eq!((body["grammar"].clone(), body["ignore_eos"].clone()), ("root ::= [a-z]+".into(), true.into()));
}

#[tokio::test]
async fn a_server_that_ignores_stream_is_understood() {
    let body = r#"{"id":"c9","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"whole","reasoning_content":"hm"},"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":2}}"#;
    let whole = Server::one(json("200 OK", body)).ask().await.unwrap();
    assert_eq!((whole.text.as_str(), whole.had_reasoning, whole.usage.prompt_tokens), ("whole", true, 7));
    let blank_lines_first = Server::one(json("200 OK", &format!("\n\n\n{body}"))).ask().await.unwrap();
    assert_eq!(blank_lines_first.text, "whole");
}
