//! How an answer ends, what counts as text, and bytes that arrive in odd pieces.

use agentwrite::call::Finish;
use agentwrite::failure::ErrorCode;
use agentwrite::ports::ChatModel;
use llm::HttpChat;

use crate::server::{Server, Step, chunk, events, finish, request, response, stream_head, text};

fn delta(field: &str, said: &str) -> String {
    serde_json::json!({"choices": [{"index": 0, "delta": {field: said}}]}).to_string()
}

#[tokio::test]
async fn pieces_may_split_anywhere_even_inside_a_character() {
    let body = format!(
        ": hello\r\n\r\ndata: {}\r\n\r\ndata: {}\r\n\r\ndata: [DONE]\r\n\r\n",
        text("写作 🦀 é"),
        finish("stop")
    );
    let mut bytes = stream_head();
    for byte in body.as_bytes() {
        bytes.extend(chunk(&[*byte]));
    }
    bytes.extend(b"0\r\n\r\n");
    assert_eq!(Server::one(bytes).ask().await.unwrap().text, "写作 🦀 é");
}

#[tokio::test]
async fn reasoning_is_counted_and_never_text() {
    for field in ["reasoning_content", "reasoning", "thinking"] {
        let answer =
            Server::one(events(&[&delta(field, "let me see"), &text("Text"), &finish("stop"), "[DONE]"])).ask().await;
        let answer = answer.unwrap();
        assert_eq!((answer.text.as_str(), answer.had_reasoning), ("Text", true), "{field}");
        assert_eq!(answer.usage.reasoning_tokens, 3);
    }
    let inline =
        Server::one(events(&[&text("<thi"), &text("nk>let me see</thi"), &text("nk>\n\nText"), &finish("stop")]));
    let inline = inline.ask().await.unwrap();
    assert_eq!((inline.text.as_str(), inline.had_reasoning), ("Text", true));
}

#[tokio::test]
async fn length_with_nothing_but_reasoning_is_its_own_failure() {
    let code = |data: Vec<String>| async move {
        let data: Vec<&str> = data.iter().map(String::as_str).collect();
        Server::one(events(&data)).ask().await.map(|answer| answer.finish).map_err(|failure| failure.code)
    };
    assert_eq!(code(vec![delta("reasoning", "hm"), finish("length")]).await, Err(ErrorCode::ReasoningExhausted));
    assert_eq!(code(vec![text("<think>hm"), finish("length")]).await, Err(ErrorCode::ReasoningExhausted));
    let hidden = r#"{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":300,"completion_tokens_details":{"reasoning_tokens":300}}}"#;
    assert_eq!(code(vec![finish("length"), hidden.to_owned()]).await, Err(ErrorCode::ReasoningExhausted));
    assert_eq!(code(vec![delta("reasoning", "hm"), text("some"), finish("length")]).await, Ok(Finish::Length));
    assert_eq!(code(vec![finish("length")]).await, Ok(Finish::Length));
}

#[tokio::test]
async fn every_end_without_a_finish_reason_is_cut() {
    let bodies = [
        events(&[&text("half"), "[DONE]"]),
        events(&[&text("half")]),
        events(&[&text("half"), r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1}}"#, "[DONE]"]),
    ];
    for body in bodies {
        let failure = Server::one(body).ask().await.unwrap_err();
        assert_eq!((failure.code, failure.partial.as_str()), (ErrorCode::Cut, "half"));
    }
    let empty = Server::one(events(&["[DONE]"])).ask().await.unwrap_err();
    assert_eq!(empty.code, ErrorCode::Cut);
    let until_close =
        [b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec(), format!("data: {}\n\n", text("half")).into_bytes()];
    let closed = Server::start(vec![vec![Step::Send(until_close.concat()), Step::Close]]).ask().await.unwrap_err();
    assert_eq!(closed.code, ErrorCode::Cut);
}

#[tokio::test]
async fn a_connection_that_breaks_inside_the_answer_is_reset_with_what_came() {
    let mut bytes = stream_head();
    bytes.extend(chunk(format!("data: {}\n\n", text("half")).as_bytes()));
    let failure = Server::start(vec![vec![Step::Send(bytes), Step::Close]]).ask().await.unwrap_err();
    assert_eq!((failure.code, failure.partial.as_str()), (ErrorCode::Reset, "half"));
    assert!(failure.usage.prompt_tokens > 0, "it may have been paid for");
    let before_headers = Server::start(vec![vec![Step::Close]]).ask().await.unwrap_err();
    assert_eq!(before_headers.code, ErrorCode::Reset);
}

#[tokio::test]
async fn a_complete_answer_survives_what_breaks_after_it() {
    let whole = format!("data: {}\n\ndata: {}\n\n", text("whole"), finish("stop"));
    let mut bytes = stream_head();
    bytes.extend(chunk(whole.as_bytes()));
    let broken = Server::start(vec![vec![Step::Send(bytes.clone()), Step::Close]]).ask().await.unwrap();
    assert_eq!((broken.text.as_str(), broken.usage.reported), ("whole", false));
    bytes.extend(chunk(b"data: {\"error\":{\"message\":\"too late\"}}\n\n"));
    bytes.extend(b"0\r\n\r\n");
    assert_eq!(Server::one(bytes).ask().await.unwrap().text, "whole");
}

#[tokio::test]
async fn finish_reasons_keep_their_meaning_across_providers() {
    for (reason, expected) in [
        ("stop", Ok(Finish::Stop)),
        ("eos", Ok(Finish::Stop)),
        ("length", Ok(Finish::Length)),
        ("model_length", Ok(Finish::Length)),
        ("content_filter", Ok(Finish::ContentFilter)),
        ("tool_calls", Ok(Finish::Other)),
        ("insufficient_system_resource", Err(ErrorCode::Overloaded)),
        ("error", Err(ErrorCode::ServerError)),
        ("abort", Err(ErrorCode::Cut)),
    ] {
        let answer = Server::one(events(&[&text("a"), &finish(reason), "[DONE]"])).ask().await;
        assert_eq!(answer.map(|answer| answer.finish).map_err(|failure| failure.code), expected, "{reason}");
    }
    let refused = events(&[&delta("refusal", "I cannot help with that."), &finish("stop"), "[DONE]"]);
    assert_eq!(Server::one(refused).ask().await.unwrap_err().code, ErrorCode::Refusal);
}

#[tokio::test]
async fn one_connection_serves_call_after_call() {
    let server = Server::one(events(&[&text("a"), &finish("stop"), "[DONE]"]));
    let client = server.client();
    for _ in 0..5 {
        client.chat(request()).await.unwrap();
    }
    assert_eq!((server.asked().len(), server.connections()), (5, 1));
}

#[tokio::test]
async fn dropping_a_call_closes_its_connection() {
    let mut bytes = stream_head();
    bytes.extend(chunk(format!("data: {}\n\n", text("half")).as_bytes()));
    let server = Server::start(vec![vec![Step::Send(bytes), Step::Hold]]);
    let client = server.client();
    {
        let call = client.chat(request());
        tokio::pin!(call);
        while server.asked().is_empty() {
            tokio::select! {
                _ = &mut call => panic!("the server holds the answer back"),
                () = tokio::task::yield_now() => {}
            }
        }
    }
    server.client_gone().await;
}

#[tokio::test]
async fn the_first_token_is_told_once_and_before_the_end() {
    let server = Server::one(events(&[&text("a"), &text("b"), &finish("stop"), "[DONE]"]));
    let chat = HttpChat::new(server.config()).unwrap();
    let heard = std::sync::atomic::AtomicU32::new(0);
    let tell = || {
        heard.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    };
    chat.chat_heard(request(), &tell).await.unwrap();
    assert_eq!(heard.into_inner(), 1);
    let refused = Server::one(response("500 Oops", "", "{}"));
    let chat = HttpChat::new(refused.config()).unwrap();
    chat.chat_heard(request(), &|| panic!("nothing was said")).await.unwrap_err();
}
