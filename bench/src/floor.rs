//! The least that durable calls cost: a program that makes the calls of a finished run again and keeps the answers, and does none
//! of what Longhand is for. It has the same HTTP client, takes the same streams apart, and writes every text into SQLite with the
//! same durability and as many in a transaction; there are no plans, gates, states, attempts, counters and shards.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use harness::process::{Child, Folder};
use llm::{BaseUrl, EndpointConfig, http_client};
use rusqlite::Connection;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::replay;

/// The argument that makes this program the floor: `--floor BODIES URL DATABASE`.
pub const ARGUMENT: &str = "--floor";
/// Samples whose calls are made again.
const SAMPLES: usize = 1_600;
/// Calls in flight.
const SLOTS: usize = 256;
/// As in the checkpoint store.
const GATHERING: Duration = Duration::from_millis(2);
const MOST_TEXTS: usize = 512;

/// An answer, and whom to tell that it is on the disk.
type Text = (String, oneshot::Sender<()>);

/// User and system time of a process that does that, in ms a call.
pub fn cpu_ms_per_call(folder: &Folder, url: &str) -> f64 {
    let requests = replay::first_requests(folder, SAMPLES);
    let lines: Vec<String> = requests.iter().map(|request| body(request).to_string()).collect();
    let (bodies, database) = (folder.path().join("bodies.jsonl"), folder.path().join("floor.db"));
    fs::write(&bodies, lines.join("\n")).expect("the folder can be written");
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    command.arg(ARGUMENT).arg(&bodies).arg(url).arg(&database);
    let ended = Child::start(&mut command).wait(Duration::from_secs(60)).expect_code(0);
    ended.usage.cpu_seconds / requests.len() as f64 * 1000.0
}

fn body(request: &agentwrite::call::ChatRequest) -> Value {
    let messages: Vec<Value> = request
        .messages
        .iter()
        .map(|message| json!({"role": message.role, "content": message.content.strs().collect::<String>()}))
        .collect();
    json!({"model": request.model, "messages": messages, "temperature": request.temperature,
        "max_tokens": request.max_tokens, "seed": request.seed,
        "stream": true, "stream_options": {"include_usage": true}})
}

/// The floor itself.
pub fn run(bodies: &Path, url: &str, database: &Path) {
    let bodies: &'static str = fs::read_to_string(bodies).expect("the bodies can be read").leak();
    let lines: Arc<[&'static str]> = bodies.lines().collect();
    let (texts, waiting) = mpsc::channel();
    let connection = open(database).expect("a database can be made");
    let writer = std::thread::spawn(move || keep(&connection, &waiting));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime starts");
    runtime.block_on(async {
        let base = BaseUrl::parse(url).expect("the simulator's URL");
        let client = http_client(&EndpointConfig::new("floor", url), &base).expect("a client");
        let at = format!("{url}/chat/completions");
        let next = Arc::<AtomicUsize>::default();
        let mut slots = tokio::task::JoinSet::new();
        for _ in 0..SLOTS {
            let (client, at, lines, next, texts) =
                (client.clone(), at.clone(), Arc::clone(&lines), Arc::clone(&next), texts.clone());
            slots.spawn(async move {
                while let Some(line) = lines.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (told, kept) = oneshot::channel();
                    texts.send((ask(&client, &at, line).await, told)).expect("the writer lives");
                    kept.await.expect("it is on the disk");
                }
            });
        }
        slots.join_all().await;
    });
    drop(texts);
    writer.join().expect("every text was written");
}

async fn ask(client: &reqwest::Client, at: &str, body: &'static str) -> String {
    let mut response = client.post(at).body(body).send().await.expect("it answers");
    assert!(response.status().is_success(), "{}", response.status());
    let mut stream = Vec::new();
    while let Some(chunk) = response.chunk().await.expect("a whole answer") {
        stream.extend_from_slice(&chunk);
    }
    let stream = String::from_utf8(stream).expect("UTF-8");
    let events = stream.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|event| *event != "[DONE]");
    let text = events.fold(String::new(), |mut text, event| {
        let event: Value = serde_json::from_str(event).expect("JSON");
        text.push_str(event["choices"][0]["delta"]["content"].as_str().unwrap_or_default());
        text
    });
    // Nothing kept would be a bound that is too low.
    assert!(!text.is_empty(), "an answer has a text");
    text
}

fn open(database: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(database)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "wal_autocheckpoint", 16_000)?;
    connection.execute_batch("create table text (id integer primary key, body text not null)")?;
    Ok(connection)
}

fn keep(connection: &Connection, waiting: &mpsc::Receiver<Text>) {
    while let Ok(first) = waiting.recv() {
        std::thread::sleep(GATHERING);
        let texts: Vec<Text> = std::iter::once(first).chain(waiting.try_iter().take(MOST_TEXTS - 1)).collect();
        write(connection, &texts).expect("the texts are written");
        for (_, told) in texts {
            let _ = told.send(());
        }
    }
}

fn write(connection: &Connection, texts: &[Text]) -> rusqlite::Result<()> {
    connection.prepare_cached("begin immediate")?.execute([])?;
    for (text, _) in texts {
        connection.prepare_cached("insert into text (body) values (?1)")?.execute([text])?;
    }
    connection.prepare_cached("commit")?.execute([])?;
    Ok(())
}
