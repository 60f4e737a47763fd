//! Connections inside TLS, for addresses that begin with `amqps://`.
//!
//! The client library's own feature for this brings some forty packages for what it cannot leave out: key stores, ciphers of
//! the last century. It takes any socket that its runtime has, so it is given tokio with sockets that are TLS.
//!
//! Who the broker must prove to be: the host of the address, by a certificate of the file that `cacertfile` in the address
//! names, as RabbitMQ's own clients spell it; without one, of an authority that this machine trusts.

use std::fmt;
use std::future::Future;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_compat::{Compat, CompatExt};
use async_rs::traits::{Executor, Reactor, RuntimeKit};
use async_rs::util::Task;
use async_rs::{Runtime, Tokio};
use futures_io::{AsyncRead, AsyncWrite};
use futures_util::stream::Stream;
use lapin::uri::AMQPUri;
use lapin::{AsyncTcpStream, Connection, ConnectionProperties};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::Url;

/// What else RabbitMQ's clients can be told in an address, and this one cannot.
const UNKNOWN: [&str; 7] =
    ["certfile", "keyfile", "password", "verify", "depth", "fail_if_no_peer_cert", "server_name_indication"];

/// How the broker proves who it is.
#[derive(Clone)]
pub(super) struct Tls {
    connector: TlsConnector,
    host: ServerName<'static>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("host", &self.host).finish_non_exhaustive()
    }
}

impl Tls {
    /// What an address says about TLS; none if it asks for none. An error is the end of a sentence about the address, and
    /// repeats nothing secret.
    pub(super) fn of(url: &str, host: &str) -> Result<Option<Self>, String> {
        let url = Url::parse(url).map_err(|error| error.to_string())?;
        if let Some((name, _)) = url.query_pairs().find(|(name, _)| UNKNOWN.contains(&name.as_ref())) {
            return Err(format!("says {name}, which this build does not know"));
        }
        let authorities = url.query_pairs().find(|(name, _)| name == "cacertfile").map(|(_, file)| file.into_owned());
        match (url.scheme(), authorities) {
            ("amqps", authorities) => Self::new(host, authorities.as_deref()).map(Some),
            (_, Some(_)) => Err("names a cacertfile, but begins with amqp:// instead of amqps://".to_owned()),
            (_, None) => Ok(None),
        }
    }

    fn new(host: &str, authorities: Option<&str>) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        match authorities {
            Some(file) => {
                let bad =
                    |error: &dyn fmt::Display| format!("names the cacertfile {file}, which cannot be used: {error}");
                for certificate in CertificateDer::pem_file_iter(file).map_err(|error| bad(&error))? {
                    let certificate = certificate.map_err(|error| bad(&error))?;
                    roots.add(certificate).map_err(|error| bad(&error))?;
                }
                if roots.is_empty() {
                    return Err(bad(&"there is no certificate in it"));
                }
            }
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                if roots.is_empty() {
                    return Err("asks for TLS, and this machine trusts no authority: add ?cacertfile=FILE".to_owned());
                }
            }
        }
        let host =
            ServerName::try_from(host.to_owned()).map_err(|_| "names a host that TLS cannot check".to_owned())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has what its own defaults need")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), host })
    }

    /// A connection inside TLS.
    pub(super) async fn connect(self, uri: AMQPUri, properties: ConnectionProperties) -> lapin::Result<Connection> {
        let open = async move |uri: AMQPUri, _: Runtime<OverTls>| {
            let stream = TcpStream::connect((uri.authority.host.as_str(), uri.authority.port)).await?;
            stream.set_nodelay(true)?;
            let stream = self.connector.connect(self.host.clone(), stream).await?;
            Ok(AsyncTcpStream::Plain(stream.compat()))
        };
        Connection::connector(uri, Runtime::new(OverTls(Tokio::current())), open, properties).await
    }
}

/// tokio, but for its sockets.
#[derive(Debug, Clone)]
struct OverTls(Tokio);

type Socket = Compat<TlsStream<TcpStream>>;

impl RuntimeKit for OverTls {}

impl Executor for OverTls {
    type Task<T: Send + 'static> = <Tokio as Executor>::Task<T>;

    fn block_on<T, F: Future<Output = T>>(&self, future: F) -> T {
        self.0.block_on(future)
    }

    fn spawn<T: Send + 'static, F: Future<Output = T> + Send + 'static>(&self, future: F) -> Task<Self::Task<T>> {
        self.0.spawn(future)
    }

    fn spawn_blocking<T: Send + 'static, F: FnOnce() -> T + Send + 'static>(&self, work: F) -> Task<Self::Task<T>> {
        self.0.spawn_blocking(work)
    }
}

impl Reactor for OverTls {
    type TcpStream = Socket;
    type Sleep = <Tokio as Reactor>::Sleep;

    fn register<H: Read + Write + Send + 'static>(
        &self,
        _socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        Err::<Socket, _>(io::ErrorKind::Unsupported.into())
    }

    fn sleep(&self, time: Duration) -> Self::Sleep {
        self.0.sleep(time)
    }

    fn interval(&self, time: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.0.interval(time)
    }

    /// Nobody calls it: [`Tls::connect`] makes the sockets, for which a host's name is needed.
    fn tcp_connect_addr(
        &self,
        _address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        std::future::ready(Err(io::ErrorKind::Unsupported.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_address_says_about_tls() {
        let of = |url: &str| Tls::of(url, "broker").map(|tls| tls.is_some());
        assert_eq!(of("amqp://u:hunter2@broker/%2f?heartbeat=5"), Ok(false));
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("a file");
        std::fs::write(&empty, "").unwrap();
        let empty = empty.to_str().unwrap();
        for (url, wanted) in [
            ("amqp://u:hunter2@broker/%2f?cacertfile=/ca.pem".to_owned(), "instead of amqps://"),
            ("amqps://u:hunter2@broker/%2f?cacertfile=/nowhere.pem".to_owned(), "cacertfile /nowhere.pem"),
            (format!("amqps://u:hunter2@broker/%2f?cacertfile={}", empty.replace(' ', "%20")), empty),
            ("amqps://u:hunter2@broker/%2f?verify=verify_none".to_owned(), "says verify"),
            ("amqps://u:hunter2@broker/%2f?certfile=/c.pem".to_owned(), "says certfile"),
        ] {
            let error = of(&url).unwrap_err();
            assert!(error.contains(wanted) && !error.contains("hunter2"), "{url}: {error}");
        }
    }
}
