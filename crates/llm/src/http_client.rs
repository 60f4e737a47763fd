//! The one place where HTTP clients are built.

use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, redirect};
use secrecy::ExposeSecret;

use crate::base_url::BaseUrl;
use crate::endpoint::{EndpointConfig, EndpointError};

/// Idle connections kept per host: as many as calls may be in flight.
const MAX_IDLE: usize = 1024;

/// uvicorn, under vLLM and most Python servers, closes an idle connection after 5 s; letting go first avoids sending
/// a request into a connection that is just being closed.
const IDLE: Duration = Duration::from_secs(4);

/// A client for one endpoint: its key as a header that no `Debug` shows, no redirects (they would carry prompts and
/// keys elsewhere), no proxy on loopback, no total timeout (the call itself watches its stream).
pub fn http_client(config: &EndpointConfig, base: &BaseUrl) -> Result<Client, EndpointError> {
    // reqwest panics without a provider; a second call is refused and harmless
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream, application/json"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(key) = &config.api_key {
        headers.insert(AUTHORIZATION, bearer(config, key.expose_secret())?);
    }
    let mut builder = Client::builder()
        .user_agent(concat!("longhand/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers)
        .connect_timeout(config.timeouts.connect)
        .redirect(redirect::Policy::none())
        .referer(false)
        .tcp_nodelay(true)
        .pool_max_idle_per_host(MAX_IDLE)
        .pool_idle_timeout(IDLE);
    if !config.http2 {
        builder = builder.http1_only();
    }
    if base.is_loopback() {
        builder = builder.no_proxy();
    }
    builder.build().map_err(EndpointError::Client)
}

fn bearer(config: &EndpointConfig, key: &str) -> Result<HeaderValue, EndpointError> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", key.trim())).map_err(|_| EndpointError::KeyBytes {
        endpoint: config.name.clone(),
        source_name: config.key_source.clone(),
    })?;
    value.set_sensitive(true);
    Ok(value)
}
