//! How a bucket is reached, and what its store's answers mean.
//!
//! Nothing here says a key, also not a store's own error text, which may repeat parts of a request.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::client::HttpError;
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, RetryConfig};

use crate::bucket::BucketError;

/// A connection must stand after this.
const CONNECT: Duration = Duration::from_secs(5);
/// A whole request may take so long: half a megabyte a second brings a shard of long texts over.
const REQUEST: Duration = Duration::from_secs(120);
/// Tries of one request that fails for a cause that passes. What fails then is tried again by the caller, more rarely.
const RETRIES: usize = 5;
/// No try begins later than this after the first.
const RETRY_FOR: Duration = Duration::from_secs(20);
/// Where a machine at AWS asks for the keys of its role.
const METADATA_HOST: &str = "169.254.169.254";

/// A bucket, what stands before every key in it, and what the AWS tools' variables say of the way there.
#[derive(Clone, PartialEq, Eq)]
pub struct S3Settings {
    pub(crate) bucket: String,
    pub(crate) prefix: Path,
    variables: BTreeMap<String, String>,
}

impl S3Settings {
    /// The variables that count, as the AWS tools spell them.
    pub const VARIABLES: [&str; 13] = [
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_ROLE_ARN",
        "AWS_ROLE_SESSION_NAME",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    ];

    /// The bucket of an address `s3://BUCKET` or `s3://BUCKET/PREFIX`. Of `variables`, those that count are taken.
    ///
    /// # Errors
    /// Another form of address, or an endpoint that is not an `http` or `https` address.
    pub fn new(url: &str, variables: &BTreeMap<String, String>) -> Result<Self, BucketError> {
        let rest =
            url.strip_prefix("s3://").ok_or_else(|| settings("the address is not of the form s3://BUCKET/PREFIX"))?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
        if bucket.len() < 3 || !bucket.bytes().all(is_name) {
            return Err(settings("the bucket's name is not 3 or more small letters, digits, `.` or `-`"));
        }
        let prefix = Path::parse(prefix.trim_matches('/')).map_err(|error| settings(error.to_string()))?;
        let variables: BTreeMap<String, String> = Self::VARIABLES
            .iter()
            .filter_map(|name| variables.get_key_value(*name))
            .map(|(name, value)| (name.clone(), value.trim().to_owned()))
            .filter(|(_, value)| !value.is_empty())
            .collect();
        for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"] {
            if let Some(endpoint) = variables.get(name) {
                check_endpoint(name, endpoint)?;
            }
        }
        Ok(Self { bucket: bucket.to_owned(), prefix, variables })
    }

    /// A client. Makes no request.
    pub(crate) fn client(&self) -> Result<AmazonS3, BucketError> {
        // Without a provider the HTTP client panics; a second call is refused and harmless.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = AmazonS3Builder::new().with_bucket_name(&self.bucket);
        for (name, value) in &self.variables {
            let key: AmazonS3ConfigKey =
                name.to_lowercase().parse().map_err(|_| settings(format!("{name} is unknown")))?;
            builder = builder.with_config(key, value);
        }
        let is_plain = self.variables.iter().any(|(name, value)| is_endpoint(name) && value.starts_with("http://"));
        let options =
            ClientOptions::new().with_connect_timeout(CONNECT).with_timeout(REQUEST).with_allow_http(is_plain);
        let retries = RetryConfig {
            backoff: BackoffConfig { init_backoff: Duration::from_millis(100), max_backoff: RETRY_FOR / 4, base: 2.0 },
            max_retries: RETRIES,
            retry_timeout: RETRY_FOR,
        };
        // Deletes one by one: not every store that speaks S3 has the call for many.
        let builder = builder.with_client_options(options).with_retry(retries).with_disable_bulk_delete(true);
        builder.build().map_err(|error| settings(last_cause(&error)))
    }
}

impl fmt::Debug for S3Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.variables.keys().collect();
        f.debug_struct("S3Settings")
            .field("bucket", &self.bucket)
            .field("prefix", &self.prefix)
            .field("set", &names)
            .finish()
    }
}

fn is_endpoint(name: &str) -> bool {
    name.starts_with("AWS_ENDPOINT_URL")
}

/// Its value stays out of the message: a password may be in it.
fn check_endpoint(name: &str, endpoint: &str) -> Result<(), BucketError> {
    let rest = endpoint.strip_prefix("https://").or_else(|| endpoint.strip_prefix("http://"));
    match rest {
        None | Some("") => Err(settings(format!("{name} is not of the form https://HOST:PORT"))),
        Some(rest) if rest.contains('@') => Err(settings(format!("{name} must not hold a user or password"))),
        Some(_) => Ok(()),
    }
}

fn settings(what: impl Into<String>) -> BucketError {
    BucketError::Settings(what.into())
}

/// What an error of the store means to whoever runs the fleet.
pub(crate) fn meaning(error: &object_store::Error) -> BucketError {
    let text = error.to_string();
    // The text names the address that was asked: that of the store, or the one where a role's keys are.
    if text.contains(METADATA_HOST) {
        return BucketError::NoKey;
    }
    if let Some(http) = in_chain::<HttpError>(error) {
        return BucketError::Unreachable(last_cause(http));
    }
    let status = between(&text, "status code: ", ":").and_then(|status| status.get(..3)?.parse::<u16>().ok());
    let code = between(&text, "<Code>", "</Code>").filter(|code| code.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let said =
        || code.map_or_else(|| status.map_or("no code".to_owned(), |status| format!("HTTP {status}")), str::to_owned);
    match (status, code) {
        (_, Some("NoSuchBucket")) => BucketError::NoBucket,
        (Some(401 | 403), _) | (_, Some("ExpiredToken" | "InvalidToken" | "TokenRefreshRequired")) => {
            BucketError::Refused(said())
        }
        (Some(301 | 307), _) | (_, Some("AuthorizationHeaderMalformed" | "PermanentRedirect")) => BucketError::Region,
        _ if text.contains("redirect without LOCATION") => BucketError::Region,
        (None, None) => BucketError::Failed(last_cause(error)),
        _ => BucketError::Failed(format!("the store answers {}", said())),
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let rest = text.split_once(before)?.1;
    Some(rest.split_once(after).map_or(rest, |(inside, _)| inside))
}

fn in_chain<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// The innermost cause: the layers above it repeat it with addresses.
fn last_cause(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

#[cfg(test)]
mod tests;
