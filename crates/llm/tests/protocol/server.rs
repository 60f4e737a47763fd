//! A server that answers each request with the next script of bytes, and keeps what was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agentwrite::call::{CallFailure, ChatAnswer, ChatRequest, Message};
use agentwrite::ports::ChatModel;
use llm::{EndpointConfig, HttpChat};
use serde_json::Value;

/// One thing the server does.
#[derive(Clone)]
pub enum Step {
    /// Sends bytes.
    Send(Vec<u8>),
    /// Sends bytes over and over, a few milliseconds apart, until the client is gone.
    Repeat(&'static str),
    /// Says nothing for a while.
    Pause(Duration),
    /// Says nothing more until the client is gone.
    Hold,
    /// Closes the connection.
    Close,
}

/// What was asked.
#[derive(Clone)]
pub struct Asked {
    /// Request line and headers.
    pub head: String,
    /// The body; null if it was none or not JSON.
    pub body: Value,
}

pub struct Server {
    pub url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    connections: Arc<AtomicUsize>,
    /// Clients that went away while the server held the answer back.
    gone: Arc<AtomicUsize>,
}

impl Server {
    /// Starts a server; request n gets script n, requests past the last script get the last.
    pub fn start(scripts: Vec<Vec<Step>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            asked: Arc::default(),
            connections: Arc::default(),
            gone: Arc::default(),
        };
        let (asked, connections, gone) = (server.asked.clone(), server.connections.clone(), server.gone.clone());
        let scripts = Arc::new(scripts);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (asked, gone, scripts) = (asked.clone(), gone.clone(), scripts.clone());
                connections.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || serve(stream.unwrap(), &asked, &gone, &scripts));
            }
        });
        server
    }

    /// A server with one script.
    pub fn one(response: Vec<u8>) -> Self {
        Self::start(vec![vec![Step::Send(response)]])
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Waits until a held client has gone.
    pub async fn client_gone(&self) {
        while self.gone.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    }

    pub fn config(&self) -> EndpointConfig {
        EndpointConfig::new("test", &self.url)
    }

    pub fn client(&self) -> HttpChat {
        HttpChat::new(self.config()).unwrap()
    }

    pub async fn ask(&self) -> Result<ChatAnswer, CallFailure> {
        self.client().chat(request()).await
    }
}

fn serve(stream: TcpStream, asked: &Mutex<Vec<Asked>>, gone: &AtomicUsize, scripts: &[Vec<Step>]) {
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    while let Some(request) = read_request(&mut reader) {
        let number = {
            let mut asked = asked.lock().unwrap();
            asked.push(request);
            asked.len() - 1
        };
        for step in &scripts[number.min(scripts.len() - 1)] {
            match step {
                Step::Send(bytes) => {
                    if writer.write_all(bytes).is_err() {
                        return;
                    }
                }
                Step::Repeat(text) => {
                    while writer.write_all(text.as_bytes()).is_ok() {
                        std::thread::sleep(Duration::from_millis(5));
                    }
                    return;
                }
                Step::Pause(time) => std::thread::sleep(*time),
                Step::Hold => {
                    let _ = reader.read(&mut [0]);
                    gone.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                Step::Close => return,
            }
        }
    }
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut head = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { head, body: serde_json::from_slice(&body).unwrap_or(Value::Null) })
}

pub fn request() -> ChatRequest {
    ChatRequest {
        model: "smollm2".to_owned(),
        messages: vec![Message::user("Write a line.")],
        go_on: None,
        temperature: 0.5,
        top_p: None,
        max_tokens: 300,
        seed: 42,
        schema: None,
        extra_body: serde_json::Map::new(),
        affinity: "smp_1".to_owned(),
    }
}

/// A whole response with headers of one's own.
pub fn response(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// A whole JSON response.
pub fn json(status: &str, body: &str) -> Vec<u8> {
    response(status, "content-type: application/json\r\n", body)
}

/// The head of a chunked event stream.
pub fn stream_head() -> Vec<u8> {
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".to_vec()
}

/// One chunk of a chunked body.
pub fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// A whole event stream, one chunk per event.
pub fn events(data: &[&str]) -> Vec<u8> {
    let mut bytes = stream_head();
    for event in data {
        bytes.extend(chunk(format!("data: {event}\n\n").as_bytes()));
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}

/// An event that carries text.
pub fn text(content: &str) -> String {
    serde_json::json!({"choices": [{"index": 0, "delta": {"content": content}, "finish_reason": null}]}).to_string()
}

/// An event that carries a finish reason.
pub fn finish(reason: &str) -> String {
    serde_json::json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}).to_string()
}
