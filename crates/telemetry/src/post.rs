//! Requests to the collector. Where it is, which headers it wants, how often it is asked again and what its answer means is the
//! library's exporter's affair, as for logs and metrics; the body alone is ours, in place of the one that it makes of no spans.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use futures_executor::block_on;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::trace::SpanExporter as _;

use crate::TelemetryError;
use crate::otlp::exporter_error;

/// Sends bodies of trace requests.
pub(crate) struct Post {
    exporter: SpanExporter,
    body: Arc<Mutex<Bytes>>,
}

/// A client that sends our body.
#[derive(Debug)]
struct Bodies {
    client: reqwest::blocking::Client,
    body: Arc<Mutex<Bytes>>,
}

impl Post {
    /// As the variables of OpenTelemetry say.
    pub(crate) fn start(timeout: Duration) -> Result<Self, TelemetryError> {
        // A blocking client must not be made where the asynchronous runtime is at work, so a thread makes it.
        let build = move || reqwest::blocking::Client::builder().timeout(timeout).build();
        let client = thread::spawn(build).join().map_err(|_| fault("the client could not be made"))?;
        let client = client.map_err(fault)?;
        let body = Arc::<Mutex<Bytes>>::default();
        let bodies = Bodies { client, body: Arc::clone(&body) };
        let exporter = SpanExporter::builder().with_http().with_http_client(bodies).build();
        Ok(Self { exporter: exporter.map_err(exporter_error("traces"))?, body })
    }

    /// Sends one, which takes as long as the collector needs; whether it was taken.
    pub(crate) fn send(&self, body: Vec<u8>) -> bool {
        *self.body.lock().unwrap_or_else(PoisonError::into_inner) = body.into();
        block_on(self.exporter.export(Vec::new())).is_ok()
    }
}

fn fault(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> TelemetryError {
    TelemetryError::Exporter { signal: "traces", source: source.into() }
}

#[async_trait]
impl HttpClient for Bodies {
    async fn send_bytes(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        *request.body_mut() = self.body.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.client.send_bytes(request).await
    }
}
