//! A collector that takes whatever is sent to it over OTLP, at once, and looks at it only when it is asked.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// The largest body that is believed in, in bytes.
const MOST: usize = 64 << 20;

/// A collector on a port of its own; its threads end with the connections.
pub struct Collector {
    url: String,
    bodies: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Collector {
    /// Starts it.
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let bodies = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let taken = Arc::clone(&bodies);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let taken = Arc::clone(&taken);
                // A connection that breaks off is the sender's affair: it says what was lost.
                std::thread::spawn(move || serve(stream, &taken).unwrap_or_default());
            }
        });
        Self { url, bodies }
    }

    /// For `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`: any path will do.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Takes out what came: bytes in all, and how often each of the texts is in it. A name stands in OTLP as it is.
    pub fn take<const N: usize>(&self, texts: [&str; N]) -> (usize, [usize; N]) {
        let bodies = std::mem::take(&mut *self.bodies.lock().unwrap_or_else(PoisonError::into_inner));
        let bytes = bodies.iter().map(Vec::len).sum();
        let count = |text: &str| {
            let of_body = |body: &Vec<u8>| body.windows(text.len()).filter(|part| *part == text.as_bytes()).count();
            bodies.iter().map(of_body).sum()
        };
        (bytes, texts.map(count))
    }
}

/// Requests of one connection, until it ends.
fn serve(stream: TcpStream, taken: &Mutex<Vec<Vec<u8>>>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut answer = stream.try_clone()?;
    let mut requests = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if requests.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
            if line.is_empty() {
                break;
            }
        }
        if length > MOST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut body = vec![0; length];
        requests.read_exact(&mut body)?;
        taken.lock().unwrap_or_else(PoisonError::into_inner).push(body);
        answer.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n")?;
    }
}
