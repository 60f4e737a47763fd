//! A TCP proxy with faults: what stands between two processes when a network is slow, silent or gone.
//!
//! One proxy stands before one server and may be changed at any time for all its connections at once. To add a fault: a
//! variant of [`Weather`] and its line in `pass`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

/// What a connection goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// All bytes pass at once.
    Clear,
    /// Every piece waits so long before it passes; the order stays.
    Slow(Duration),
    /// Nothing passes in either direction and nobody is told: connections stay open, new ones are taken and stay silent.
    /// What was sent meanwhile arrives when the weather clears.
    BlackHole,
    /// Every connection is closed, new ones at once.
    Cut,
    /// A connection is closed in the midst of a message to the server: when so many bytes of it have passed.
    CutAfter(u64),
    /// Everything reaches the server, and the connection is closed in the place of its answer.
    AnswersLost,
    /// The server hears nothing: this is the answer to whatever is said, and the connection is closed.
    Instead(&'static str),
}

impl Weather {
    /// How a connection begins.
    const fn lets_through(self) -> bool {
        !matches!(self, Self::Cut)
    }
}

/// How passing bytes on ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// One of the ends has gone, or the weather cut it.
    Gone,
    /// The client gets this answer.
    Answer(&'static str),
}

/// What all connections of a proxy count.
#[derive(Debug, Default)]
struct Counts {
    opened: AtomicU64,
    hurt: AtomicU64,
}

/// A running proxy; gone when dropped, with its connections.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    counts: Arc<Counts>,
    runtime: Option<Runtime>,
}

impl Proxy {
    /// Listens on a free loopback port and passes everything on to `server` (`host:port`).
    pub fn before(server: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime starts");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a loopback port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let (weather, seen) = watch::channel(Weather::Clear);
        let counts = Arc::<Counts>::default();
        runtime.spawn(accept(listener, server.to_owned(), seen, Arc::clone(&counts)));
        Self { address, weather, counts, runtime: Some(runtime) }
    }

    /// The same address, but through this proxy: `scheme://user:password@HOST:PORT/rest`.
    pub fn through(&self, url: &str) -> String {
        let (scheme, rest) = url.split_once("://").expect("an address names its scheme");
        let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        let user = authority.rsplit_once('@').map_or(String::new(), |(user, _)| format!("{user}@"));
        format!("{scheme}://{user}{}{path}", self.address)
    }

    /// Changes the weather of all connections.
    pub fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }

    /// Connections that were opened so far.
    pub fn connections(&self) -> u64 {
        self.counts.opened.load(Ordering::Relaxed)
    }

    /// Messages that were cut, answers that were lost or made up: each ended its connection.
    pub fn hurt(&self) -> u64 {
        self.counts.hurt.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The address (`host:port`) in a URL.
pub fn host_and_port(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

async fn accept(listener: TcpListener, server: String, weather: watch::Receiver<Weather>, counts: Arc<Counts>) {
    let connections = TaskTracker::new();
    while let Ok((client, _)) = listener.accept().await {
        counts.opened.fetch_add(1, Ordering::Relaxed);
        connections.spawn(carry(client, server.clone(), weather.clone(), Arc::clone(&counts)));
    }
}

/// One connection, until either end closes it or the weather does.
async fn carry(client: TcpStream, server: String, weather: watch::Receiver<Weather>, counts: Arc<Counts>) {
    let mut first = weather.clone();
    // The server hears nothing of a connection that the weather does not let through.
    let opens = first.wait_for(|weather| *weather != Weather::BlackHole).await.map(|weather| *weather);
    if !opens.is_ok_and(Weather::lets_through) {
        return;
    }
    let Ok(there) = TcpStream::connect(&server).await else { return };
    for stream in [&client, &there] {
        let _ = stream.set_nodelay(true);
    }
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), there.into_split());
    // Bytes to the server since its last answer.
    let asked = AtomicU64::new(0);
    let end = tokio::select! {
        end = pass(&mut from_client, &mut to_server, weather.clone(), |weather, length| {
            let before = asked.fetch_add(length, Ordering::Relaxed);
            match weather {
                Weather::CutAfter(most) if before + length > most => Passes::Part(most.saturating_sub(before)),
                Weather::Instead(answer) => Passes::No(End::Answer(answer)),
                _ => Passes::All,
            }
        }) => end,
        end = pass(&mut from_server, &mut to_client, weather, |weather, _| {
            asked.store(0, Ordering::Relaxed);
            if weather == Weather::AnswersLost { Passes::Part(0) } else { Passes::All }
        }) => end,
    };
    let Some(end) = end else { return };
    counts.hurt.fetch_add(1, Ordering::Relaxed);
    if let End::Answer(text) = end {
        let answered = async {
            to_client.write_all(text.as_bytes()).await?;
            to_client.shutdown().await?;
            // A socket that is closed with bytes unread takes the answer back.
            tokio::io::copy(&mut from_client, &mut tokio::io::sink()).await
        };
        let _ = tokio::time::timeout(Duration::from_secs(1), answered).await;
    }
}

/// What becomes of a piece.
enum Passes {
    All,
    /// So many bytes, then the connection ends.
    Part(u64),
    No(End),
}

/// Passes bytes on until an end (`None`) or until one of them is not let through.
async fn pass(
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    mut weather: watch::Receiver<Weather>,
    passes: impl Fn(Weather, u64) -> Passes,
) -> Option<End> {
    let mut piece = vec![0; 16 << 10];
    let mut cut = weather.clone();
    let work = async {
        loop {
            let Ok(length @ 1..) = from.read(&mut piece).await else { return None };
            let now = *weather.borrow_and_update();
            if let Weather::Slow(delay) = now {
                tokio::time::sleep(delay).await;
            }
            let Ok(now) = weather.wait_for(|weather| *weather != Weather::BlackHole).await.map(|weather| *weather)
            else {
                return None;
            };
            let (length, end) = match passes(now, length as u64) {
                Passes::All => (length, None),
                Passes::Part(most) => (most as usize, Some(End::Gone)),
                Passes::No(end) => (0, Some(end)),
            };
            if to.write_all(&piece[..length]).await.is_err() {
                return None;
            }
            if end.is_some() {
                return end;
            }
        }
    };
    tokio::select! {
        biased;
        _ = cut.wait_for(|weather| *weather == Weather::Cut) => None,
        end = work => end,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::time::Instant;

    use super::*;

    /// Sends every byte back.
    fn echo() -> String {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || std::io::copy(&mut stream.try_clone().unwrap(), &mut &stream));
            }
        });
        address
    }

    fn answer(stream: &mut std::net::TcpStream) -> std::io::Result<usize> {
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        stream.write_all(b"x")?;
        stream.read(&mut [0; 8])
    }

    #[test]
    fn bytes_pass_wait_and_stop_as_the_weather_says() {
        let proxy = Proxy::before(&echo());
        let mut stream = std::net::TcpStream::connect(proxy.address).unwrap();
        assert_eq!(answer(&mut stream).unwrap(), 1);
        proxy.set(Weather::Slow(Duration::from_millis(30)));
        let since = Instant::now();
        assert_eq!(answer(&mut stream).unwrap(), 1);
        assert!(since.elapsed() >= Duration::from_millis(60), "{:?}", since.elapsed());
        proxy.set(Weather::BlackHole);
        assert!(answer(&mut stream).is_err(), "nothing comes back");
        proxy.set(Weather::Clear);
        assert_eq!(stream.read(&mut [0; 8]).unwrap(), 1, "what was held arrives");
        proxy.set(Weather::Cut);
        assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0, "closed");
        proxy.set(Weather::Clear);
        assert_eq!(answer(&mut std::net::TcpStream::connect(proxy.address).unwrap()).unwrap(), 1);
        assert_eq!(proxy.connections(), 2);
    }

    #[test]
    fn messages_are_cut_and_answers_are_lost_or_made_up() {
        let proxy = Proxy::before(&echo());
        let say = |stream: &mut std::net::TcpStream, length: usize| {
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            stream.write_all(&vec![b'x'; length]).unwrap();
        };
        let connect = || std::net::TcpStream::connect(proxy.address).unwrap();
        proxy.set(Weather::CutAfter(4));
        let mut stream = connect();
        for _ in 0..2 {
            say(&mut stream, 4);
            stream.read_exact(&mut [0; 4]).unwrap();
        }
        assert_eq!(proxy.hurt(), 0, "the count begins anew with each answer");
        say(&mut stream, 5);
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.len() <= 4 && proxy.hurt() == 1, "{rest:?}");
        proxy.set(Weather::AnswersLost);
        let mut stream = connect();
        say(&mut stream, 1);
        assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0, "closed");
        proxy.set(Weather::Instead("no"));
        let mut stream = connect();
        say(&mut stream, 40_000);
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!((answer.as_str(), proxy.hurt()), ("no", 3));
    }

    #[test]
    fn addresses_lead_through_the_proxy() {
        let proxy = Proxy::before("127.0.0.1:1");
        let own = proxy.address;
        for (url, host, wanted) in [
            ("postgres://u:p@h:1/a", "h:1", format!("postgres://u:p@{own}/a")),
            ("amqp://u:p@h:1/%2f?heartbeat=2", "h:1", format!("amqp://u:p@{own}/%2f?heartbeat=2")),
            ("http://h:1/v1", "h:1", format!("http://{own}/v1")),
        ] {
            assert_eq!((host_and_port(url), proxy.through(url)), (host, wanted));
        }
    }
}
