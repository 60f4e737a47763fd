//! The HTTP requests that tests make themselves: small JSON bodies.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// Longest wait for a connection's next bytes.
const PATIENCE: Duration = Duration::from_secs(10);

/// GETs `path` of `address` (`host:port`) and parses the body as JSON, whatever the status.
pub fn get(address: &str, path: &str) -> io::Result<Value> {
    ask(address, &format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n"))
}

/// POSTs JSON.
pub fn post(address: &str, path: &str, body: &Value) -> io::Result<Value> {
    let body = body.to_string();
    let head = format!("POST {path} HTTP/1.0\r\nHost: {address}\r\nContent-Type: application/json\r\n");
    ask(address, &format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()))
}

/// Of HTTP/1.0: the server closes the connection after the body and does not chunk it.
fn ask(address: &str, request: &str) -> io::Result<Value> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    // In one piece: several small writes would wait for the other side's delayed acknowledgement.
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
    serde_json::from_str(body).map_err(io::Error::other)
}
