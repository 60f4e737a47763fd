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
}

/// A running proxy; gone when dropped, with its connections.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    opened: Arc<AtomicU64>,
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
        let opened = Arc::new(AtomicU64::new(0));
        runtime.spawn(accept(listener, server.to_owned(), seen, Arc::clone(&opened)));
        Self { address, weather, opened, runtime: Some(runtime) }
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
        self.opened.load(Ordering::Relaxed)
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

async fn accept(listener: TcpListener, server: String, weather: watch::Receiver<Weather>, opened: Arc<AtomicU64>) {
    let connections = TaskTracker::new();
    while let Ok((client, _)) = listener.accept().await {
        opened.fetch_add(1, Ordering::Relaxed);
        let (server, weather) = (server.clone(), weather.clone());
        connections.spawn(async move {
            let mut first = weather.clone();
            // The server hears nothing of a connection that the weather does not let through.
            let opens = first.wait_for(|weather| *weather != Weather::BlackHole).await.map(|weather| *weather);
            if !opens.is_ok_and(|weather| weather != Weather::Cut) {
                return;
            }
            let Ok(there) = TcpStream::connect(&server).await else { return };
            for stream in [&client, &there] {
                let _ = stream.set_nodelay(true);
            }
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = there.into_split();
            // Either end closes both.
            tokio::select! {
                () = pass(from_client, to_server, weather.clone()) => {}
                () = pass(from_server, to_client, weather) => {}
            }
        });
    }
}

/// Passes bytes on until an end or a cut.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut weather: watch::Receiver<Weather>) {
    let mut piece = vec![0; 16 << 10];
    let mut cut = weather.clone();
    let work = async {
        loop {
            let Ok(length @ 1..) = from.read(&mut piece).await else { return };
            let now = *weather.borrow_and_update();
            if let Weather::Slow(delay) = now {
                tokio::time::sleep(delay).await;
            }
            if weather.wait_for(|weather| *weather != Weather::BlackHole).await.is_err() {
                return;
            }
            if to.write_all(&piece[..length]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        biased;
        _ = cut.wait_for(|weather| *weather == Weather::Cut) => {}
        () = work => {}
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
