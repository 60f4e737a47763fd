//! The simulator as a client sees it over HTTP.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;
use std::time::Duration;

use agentwrite::call::Message;
use agentwrite::prompts::{Layout, PromptTexts, Prompts, WriteParts};
use agentwrite::rope::Rope;
use llm_simulator::{Faults, MARKER, Running, SimulatorConfig, Snapshot, WhenFull, spawn};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};

const WORDS: usize = 120;

struct Bench {
    running: Running,
    client: Client,
}

impl Bench {
    async fn start(config: SimulatorConfig) -> Self {
        // A second test of the same process finds the provider installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
        Self { running: spawn(config, "127.0.0.1:0".parse().unwrap()).await.unwrap(), client }
    }

    async fn faulty(faults: &str) -> Self {
        Self::start(SimulatorConfig { faults: faults.parse::<Faults>().unwrap(), ..SimulatorConfig::default() }).await
    }

    async fn post(&self, body: &Value) -> reqwest::Result<Response> {
        self.client
            .post(format!("{}/chat/completions", self.running.base_url()))
            .header("content-type", "application/json")
            .body(body.to_string())
            .send()
            .await
    }

    async fn whole(&self, body: &Value) -> Value {
        let response = self.post(body).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
    }

    fn stats(&self) -> Snapshot {
        self.running.simulator.stats(true)
    }
}

fn body(messages: &[Message<Rope>], stream: bool) -> Value {
    let mut body = json!({"model": "m", "messages": messages, "temperature": 1.0, "max_tokens": 4096, "seed": 7});
    if stream {
        body["stream"] = true.into();
        body["stream_options"] = json!({"include_usage": true});
    }
    body
}

fn section(step: usize, earlier: &[Arc<str>], layout: Layout) -> Vec<Message<Rope>> {
    let prompts = Prompts::parse(&PromptTexts::built_in(layout), layout).unwrap();
    let lines: Vec<String> = (1..=12)
        .map(|n| format!("Paragraph {n} - Main Point: the {n} point of tea - Word Count: {WORDS} words"))
        .collect();
    let plan = lines.join("\n\n");
    let instruction = "Tell the history of tea at length.";
    prompts.write(&WriteParts { context: &[], instruction, plan: &plan, lines: &lines, earlier, step, fault: None })
}

fn plan(json: bool) -> Vec<Message<Rope>> {
    let prompts = Prompts::parse(&PromptTexts::default(), Layout::Paper).unwrap();
    prompts.plan(&[], "Tell the history of tea at length.", Some("3000 words"), json, None)
}

/// The data of every event, comments left out.
fn events(body: &str) -> Vec<String> {
    assert!(body.ends_with("\n\n"), "the last event is closed");
    let data = body.split_terminator("\n\n").filter(|event| !event.starts_with(':'));
    data.map(|event| event.strip_prefix("data: ").expect("one data line an event").to_owned()).collect()
}

fn text_of(answer: &Value) -> &str {
    answer["choices"][0]["message"]["content"].as_str().unwrap()
}

#[tokio::test]
async fn streamed_and_whole_answers_are_the_same_text() {
    let bench = Bench::start(SimulatorConfig { events: 5, ..SimulatorConfig::default() }).await;
    let whole = bench.whole(&body(&section(0, &[], Layout::Paper), false)).await;
    let stream = bench.post(&body(&section(0, &[], Layout::Paper), true)).await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let events = events(&stream.text().await.unwrap());
    assert_eq!(events.last().unwrap(), "[DONE]");
    let chunks: Vec<Value> =
        events[..events.len() - 1].iter().map(|data| serde_json::from_str(data).unwrap()).collect();
    let (usage, deltas) = chunks.split_last().unwrap();
    assert_eq!(deltas.len(), 5);
    let text: String = deltas.iter().map(|chunk| chunk["choices"][0]["delta"]["content"].as_str().unwrap()).collect();
    assert_eq!(text, text_of(&whole));
    assert_eq!(text.split_whitespace().count(), WORDS);
    assert_eq!(deltas[0]["choices"][0]["delta"]["role"], "assistant");
    let finishes: Vec<&Value> = deltas.iter().map(|chunk| &chunk["choices"][0]["finish_reason"]).collect();
    assert_eq!(finishes, [&Value::Null, &Value::Null, &Value::Null, &Value::Null, &json!("stop")]);
    assert_eq!(usage["choices"], json!([]));
    assert_eq!(usage["usage"], whole["usage"]);
    assert_eq!(whole["usage"]["completion_tokens"], text.len() / 4);
    assert_eq!(whole["system_fingerprint"], "synthetic");
    bench.running.stop().await;
}

#[tokio::test]
async fn a_default_stream_has_four_events() {
    let bench = Bench::start(SimulatorConfig::default()).await;
    let stream = bench.post(&body(&section(0, &[], Layout::Paper), true)).await.unwrap().text().await.unwrap();
    assert_eq!(events(&stream).len(), 4);
    bench.running.stop().await;
}

#[tokio::test]
async fn statuses_come_with_retry_after_and_an_error_body() {
    for (faults, status) in [("429=1", 429), ("500=1", 500), ("503=1", 503)] {
        let bench = Bench::faulty(faults).await;
        let response = bench.post(&body(&section(0, &[], Layout::Paper), true)).await.unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(response.headers().contains_key("retry-after"), status == 429);
        let error: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        assert!(error["error"]["message"].is_string());
        let stats = bench.stats();
        assert_eq!((stats.rejected_429, stats.answered, stats.in_flight), (u64::from(status == 429), 0, 0));
        assert_eq!(stats.faults.values().sum::<u64>(), 1);
        bench.running.stop().await;
    }
}

#[tokio::test]
async fn a_reset_breaks_the_body_after_some_text() {
    let bench = Bench::faulty("reset=1").await;
    for stream in [true, false] {
        let mut response = bench.post(&body(&section(0, &[], Layout::Paper), stream)).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let (mut got, mut broke) = (Vec::new(), false);
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) => got.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(_) => {
                    broke = true;
                    break;
                }
            }
        }
        let got = String::from_utf8(got).unwrap();
        assert!(broke && got.contains("zqxfaultreset") && !got.contains("[DONE]"), "{got}");
    }
    let stats = bench.stats();
    assert_eq!((stats.faults["reset"], stats.answered, stats.aborted, stats.in_flight), (2, 0, 0, 0));
    bench.running.stop().await;
}

#[tokio::test]
async fn an_endless_keep_alive_sends_comments_and_no_token() {
    let config =
        SimulatorConfig { keep_alive_ms: 5, faults: "keep_alive=1".parse().unwrap(), ..SimulatorConfig::default() };
    let bench = Bench::start(config).await;
    let mut response = bench.post(&body(&section(0, &[], Layout::Paper), true)).await.unwrap();
    for _ in 0..5 {
        let chunk = response.chunk().await.unwrap().unwrap();
        assert!(chunk.starts_with(b": keep-alive\n\n"));
    }
    assert_eq!(bench.stats().in_flight, 1);
    drop(response);
    settled(&bench).await;
    assert_eq!((bench.stats().aborted, bench.stats().faults["keep_alive"]), (0, 1));
    bench.running.stop().await;
}

/// Waits until the server has noticed that its clients are gone.
async fn settled(bench: &Bench) {
    let gone = async {
        while bench.stats().in_flight > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.expect("the server notices closed connections");
}

#[tokio::test]
async fn bad_texts_come_with_status_200_and_their_marker() {
    for kind in ["refusal", "error_text", "echo"] {
        let bench = Bench::faulty(&format!("{kind}=1")).await;
        let answer = bench.whole(&body(&section(1, &["Earlier text of tea.".into()], Layout::Paper), false)).await;
        assert!(text_of(&answer).contains(MARKER), "{kind}");
        assert_eq!(answer["choices"][0]["finish_reason"], "stop");
        assert_eq!(text_of(&answer).contains("Earlier text of tea."), kind == "echo");
        bench.running.stop().await;
    }
    let bench = Bench::faulty("empty=1").await;
    assert_eq!(text_of(&bench.whole(&body(&section(1, &[], Layout::Paper), false)).await).trim(), "");
    bench.running.stop().await;
}

#[tokio::test]
async fn a_cut_answer_ends_for_length_or_without_a_reason() {
    let bench = Bench::faulty("cut=1").await;
    let (mut for_length, mut without) = (0, 0);
    for step in 0..12 {
        let stream = bench.post(&body(&section(step, &[], Layout::Paper), true)).await.unwrap().text().await.unwrap();
        assert!(stream.contains("zqxfaultcut") && stream.contains("[DONE]"));
        for_length += usize::from(stream.contains("\"finish_reason\":\"length\""));
        without += usize::from(!stream.contains("\"finish_reason\":\""));
    }
    assert!(for_length > 0 && without > 0 && for_length + without == 12, "{for_length} {without}");
    let whole = bench.whole(&body(&section(0, &[], Layout::Paper), false)).await;
    assert_eq!(whole["choices"][0]["finish_reason"], "length");
    bench.running.stop().await;
}

#[tokio::test]
async fn thoughts_come_inside_the_text_or_beside_it() {
    let bench = Bench::faulty("think=1").await;
    let (mut inside, mut open, mut beside) = (0, 0, 0);
    for step in 0..12 {
        let stream = bench.post(&body(&section(step, &[], Layout::Paper), true)).await.unwrap().text().await.unwrap();
        assert!(stream.contains("zqxfaultthink"));
        match (stream.contains("<think>"), stream.contains("</think>")) {
            (true, true) => inside += 1,
            (true, false) => open += 1,
            _ => {
                assert!(stream.contains("\"reasoning_content\":"));
                beside += 1;
            }
        }
    }
    assert!(inside > 0 && open > 0 && beside > 0, "{inside} {open} {beside}");
    bench.running.stop().await;
}

#[tokio::test]
async fn garbage_plans_and_broken_json_are_neither_plan_nor_json() {
    let bench = Bench::faulty("garbage_plan=1").await;
    assert!(text_of(&bench.whole(&body(&plan(false), false)).await).contains("zqxfaultgarbageplan"));
    assert!(!text_of(&bench.whole(&body(&section(0, &[], Layout::Paper), false)).await).contains(MARKER));
    bench.running.stop().await;

    let bench = Bench::faulty("broken_json=1").await;
    let whole = bench.post(&body(&section(0, &[], Layout::Paper), false)).await.unwrap().text().await.unwrap();
    assert!(serde_json::from_str::<Value>(&whole).is_err());
    let stream = bench.post(&body(&section(0, &[], Layout::Paper), true)).await.unwrap().text().await.unwrap();
    assert!(events(&stream).iter().any(|data| data != "[DONE]" && serde_json::from_str::<Value>(data).is_err()));
    assert!(stream.contains("zqxfaultbrokenjson"));
    let mut broken = 0;
    for _ in 0..16 {
        let response = bench.post(&body(&plan(true), false)).await.unwrap().text().await.unwrap();
        let text = serde_json::from_str::<Value>(&response).map(|answer| text_of(&answer).to_owned());
        broken += usize::from(text.map_or(true, |text| serde_json::from_str::<Value>(&text).is_err()));
    }
    assert_eq!(broken, 16);
    bench.running.stop().await;
}

#[tokio::test]
async fn a_dropped_front_shows_in_the_usage_alone() {
    let sound = Bench::start(SimulatorConfig::default()).await;
    let faulty = Bench::faulty("drop_front=1").await;
    let request = body(&section(3, &["Earlier text. ".repeat(300).into()], Layout::Paper), false);
    let (sound_answer, faulty_answer) = (sound.whole(&request).await, faulty.whole(&request).await);
    assert_eq!(text_of(&sound_answer), text_of(&faulty_answer));
    let tokens = |answer: &Value| answer["usage"]["prompt_tokens"].as_u64().unwrap();
    assert_eq!(tokens(&faulty_answer), tokens(&sound_answer) / 2);
    sound.running.stop().await;
    faulty.running.stop().await;
}

#[tokio::test]
async fn the_context_is_an_error_or_a_silent_cut() {
    let request = body(&section(3, &["Earlier text. ".repeat(900).into()], Layout::Paper), false);
    let bench = Bench::start(SimulatorConfig { context_tokens: Some(1000), ..SimulatorConfig::default() }).await;
    let response = bench.post(&request).await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert!(response.text().await.unwrap().contains("context_length_exceeded"));
    let models = bench.client.get(format!("{}/models", bench.running.base_url())).send().await.unwrap();
    let models: Value = serde_json::from_slice(&models.bytes().await.unwrap()).unwrap();
    assert_eq!(
        (&models["data"][0]["max_model_len"], &models["data"][0]["meta"]["n_ctx"]),
        (&json!(1000), &json!(1000))
    );
    bench.running.stop().await;

    let config = SimulatorConfig { context_tokens: Some(1000), drop_front: true, ..SimulatorConfig::default() };
    let bench = Bench::start(config).await;
    assert_eq!(bench.whole(&request).await["usage"]["prompt_tokens"], 500);
    bench.running.stop().await;
}

async fn chain(bench: &Bench, layout: Layout) -> Vec<(u64, u64)> {
    let (mut earlier, mut usages) = (Vec::new(), Vec::new());
    for step in 0..12 {
        let answer = bench.whole(&body(&section(step, &earlier, layout), false)).await;
        earlier.push(text_of(&answer).into());
        let usage = &answer["usage"];
        let cached = usage["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap();
        usages.push((usage["prompt_tokens"].as_u64().unwrap(), cached));
    }
    usages
}

#[tokio::test]
async fn cache_hits_grow_along_a_chain_and_collapse_without_room() {
    let config = |cache_tokens| SimulatorConfig { cache_tokens, cache_block_tokens: 16, ..SimulatorConfig::default() };
    for layout in [Layout::Paper, Layout::Turns] {
        let bench = Bench::start(config(100_000)).await;
        let usages = chain(&bench, layout).await;
        assert_eq!(usages[0].1, 0);
        assert!(usages.windows(2).all(|pair| pair[0].1 < pair[1].1), "{usages:?}");
        // The prompt grows by one section and the tail a step.
        let (prompt, cached) = usages[11];
        assert!(prompt - cached < 600, "{usages:?}");
        let stats = bench.stats();
        assert_eq!(stats.cached_tokens, stats.cacheable_tokens);
        assert_eq!(stats.prompt_tokens, usages.iter().map(|(prompt, _)| prompt).sum::<u64>());
        bench.running.stop().await;

        let bench = Bench::start(config(64)).await;
        chain(&bench, layout).await;
        let stats = bench.stats();
        assert!(stats.cached_tokens * 10 < stats.cacheable_tokens, "{stats:?}");
        bench.running.stop().await;
    }
}

#[tokio::test]
async fn requests_per_minute_are_limited_with_headers() {
    let bench = Bench::start(SimulatorConfig { rpm: Some(120), ..SimulatorConfig::default() }).await;
    let request = body(&section(0, &[], Layout::Paper), false);
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let response = bench.post(&request).await.unwrap();
        assert_eq!(response.headers()["x-ratelimit-limit-requests"], "120");
        if response.status() == StatusCode::TOO_MANY_REQUESTS {
            assert_eq!(response.headers()["retry-after"], "1");
            let ms: u64 = response.headers()["retry-after-ms"].to_str().unwrap().parse().unwrap();
            assert!((1..=500).contains(&ms), "{ms}");
            assert_eq!(response.headers()["x-ratelimit-remaining-requests"], "0");
        }
        statuses.push(response.status().as_u16());
    }
    assert_eq!(statuses, [200, 200, 429, 429]);
    assert_eq!(bench.stats().rejected_429, 2);
    let free = bench.client.post(format!("http://{}/limits", bench.running.address));
    let free = free.header("content-type", "application/json").body("{\"rpm\": null}").send().await.unwrap();
    assert_eq!(free.status(), StatusCode::OK);
    assert_eq!(bench.post(&request).await.unwrap().status(), StatusCode::OK);
    bench.running.stop().await;
}

#[tokio::test]
async fn a_full_house_queues_or_rejects() {
    for (when_full, answered) in [(WhenFull::Queue, 6), (WhenFull::Reject, 2)] {
        let config =
            SimulatorConfig { concurrency: Some(2), latency_ms: Some(150), when_full, ..SimulatorConfig::default() };
        let bench = Bench::start(config).await;
        let requests: Vec<Value> = (0..6).map(|step| body(&section(step, &[], Layout::Paper), false)).collect();
        let calls = requests.iter().map(async |request| bench.post(request).await.unwrap().bytes().await.unwrap());
        let started = tokio::time::Instant::now();
        futures_util::future::join_all(calls).await;
        let stats = bench.stats();
        assert_eq!((stats.answered, stats.rejected_429), (answered, 6 - answered), "{when_full:?}");
        assert_eq!(stats.in_flight, 0);
        if when_full == WhenFull::Queue {
            assert!(started.elapsed() >= Duration::from_millis(450));
            assert_eq!((stats.peak_in_flight, stats.peak_queued, stats.queued), (6, 4, 0));
        }
        bench.running.stop().await;
    }
}

#[tokio::test]
async fn repeats_are_counted_per_request_and_answers_per_step() {
    let bench = Bench::start(SimulatorConfig::default()).await;
    let instruction = llm_simulator::brain::instruction_key("Tell the history of tea at length.");
    bench.whole(&body(&plan(false), false)).await;
    for (step, times) in [(0, 1), (1, 3)] {
        for _ in 0..times {
            bench.whole(&body(&section(step, &[], Layout::Paper), false)).await;
        }
    }
    let mut reseeded = body(&section(1, &[], Layout::Paper), false);
    reseeded["seed"] = 8.into();
    bench.whole(&reseeded).await;
    let url = format!("http://{}", bench.running.address);
    let stats = bench.client.get(format!("{url}/stats?steps=1")).send().await.unwrap().bytes().await.unwrap();
    let stats: Value = serde_json::from_slice(&stats).unwrap();
    assert_eq!((&stats["schema"], &stats["requests"], &stats["answered"]), (&json!(1), &json!(6), &json!(6)));
    assert_eq!((&stats["repeats"], &stats["repeated_requests"][0]["step"]), (&json!(2), &json!("2")));
    assert_eq!(stats["steps"][&instruction], json!({"plan": 1, "1": 1, "2": 4}));
    assert!(stats["first_request_ms"].as_f64().unwrap() <= stats["last_answer_ms"].as_f64().unwrap());
    bench.client.post(format!("{url}/reset")).send().await.unwrap();
    assert_eq!((bench.stats().requests, bench.stats().repeats), (0, 0));
    bench.running.stop().await;
}

#[tokio::test]
async fn a_client_that_leaves_counts_as_aborted_and_its_request_as_unanswered() {
    let config = SimulatorConfig { first_token_ms: 1, per_token_us: 100_000, ..SimulatorConfig::default() };
    let bench = Bench::start(config).await;
    let request = body(&section(0, &[], Layout::Paper), true);
    for _ in 0..2 {
        let mut response = bench.post(&request).await.unwrap();
        assert!(response.chunk().await.unwrap().is_some());
        drop(response);
        settled(&bench).await;
    }
    let stats = bench.stats();
    assert_eq!((stats.aborted, stats.answered, stats.repeats), (2, 0, 0));
    assert!(stats.billed_completion_tokens_of_aborted > 0);
    bench.running.stop().await;
}

#[tokio::test]
async fn wrong_requests_get_the_statuses_of_the_protocol() {
    let config = SimulatorConfig {
        api_key: Some("k".to_owned()),
        models: vec!["known".to_owned()],
        json_schema: false,
        refused_fields: vec!["max_tokens".to_owned()],
        ..SimulatorConfig::default()
    };
    let bench = Bench::start(config).await;
    let send = async |key: &str, body: String| {
        let url = format!("{}/chat/completions", bench.running.base_url());
        let response = bench.client.post(url).bearer_auth(key).body(body).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    let message = json!([{"role": "user", "content": [{"type": "text", "text": "Hello"}]}]);
    let good = json!({"model": "known", "messages": message, "max_completion_tokens": 50});
    assert_eq!(send("wrong", good.to_string()).await.0, 401);
    assert_eq!(send("k", good.to_string()).await.0, 200);
    assert_eq!(send("k", "{".to_owned()).await.0, 400);
    assert_eq!(send("k", json!({"model": "known", "messages": []}).to_string()).await.0, 400);
    assert_eq!(send("k", json!({"model": "other", "messages": message}).to_string()).await.0, 404);
    for (field, value) in [("max_tokens", json!(5)), ("response_format", json!({"type": "json_schema"}))] {
        let mut request = good.clone();
        request[field] = value;
        let (status, text) = send("k", request.to_string()).await;
        assert!(status == 400 && text.contains(&format!("\"param\":\"{field}\"")), "{text}");
    }
    bench.running.stop().await;
}

#[tokio::test]
async fn max_tokens_cut_an_answer_for_length() {
    let bench = Bench::start(SimulatorConfig::default()).await;
    let mut request = body(&section(0, &[], Layout::Paper), false);
    request["max_tokens"] = 20.into();
    let answer = bench.whole(&request).await;
    assert_eq!(
        (&answer["choices"][0]["finish_reason"], &answer["usage"]["completion_tokens"]),
        (&json!("length"), &json!(20))
    );
    bench.running.stop().await;
}

#[tokio::test]
async fn stopping_breaks_off_what_is_under_way() {
    let bench = Bench::start(SimulatorConfig { latency_ms: Some(600_000), ..SimulatorConfig::default() }).await;
    let mut response = bench.post(&body(&section(0, &[], Layout::Paper), true)).await.unwrap();
    tokio::time::timeout(Duration::from_secs(10), bench.running.stop()).await.expect("stopping does not wait");
    assert!(response.chunk().await.is_err());
}
