//! The HTTP requests that tests make themselves, with small bodies.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// Longest wait for a connection's next bytes.
const PATIENCE: Duration = Duration::from_secs(10);

/// GETs `path` of `address` (`host:port`) and parses the body as JSON, whatever the status.
pub fn get(address: &str, path: &str) -> io::Result<Value> {
    serde_json::from_str(&get_text(address, path)?).map_err(io::Error::other)
}

/// GETs `path` of `address` (`host:port`): the body, whatever the status.
pub fn get_text(address: &str, path: &str) -> io::Result<String> {
    ask(address, &format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n"))
}

/// POSTs JSON.
pub fn post(address: &str, path: &str, body: &Value) -> io::Result<Value> {
    let body = body.to_string();
    let head = format!("POST {path} HTTP/1.0\r\nHost: {address}\r\nContent-Type: application/json\r\n");
    let answer = ask(address, &format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()))?;
    serde_json::from_str(&answer).map_err(io::Error::other)
}

/// Of HTTP/1.0: the server closes the connection after the body and does not chunk it.
fn ask(address: &str, request: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    // In one piece: several small writes would wait for the other side's delayed acknowledgement.
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}
