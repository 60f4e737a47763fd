//! The base URL of an endpoint, however its user wrote it.

use std::net::IpAddr;

use reqwest::Url;

use crate::endpoint::EndpointError;
use crate::secrets::{is_key_name, is_key_value};

/// A normalised base URL: `http://host:8000`, `.../v1`, `.../v1/` and `.../v1/chat/completions` are the same; another
/// path is kept. A query (`api-version=...`) goes with every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(Url);

/// Something about a URL that works but should be known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlWarning {
    /// The key can be read on the way.
    #[error("the key is sent to {0} over http, where others can read it; use https")]
    KeyInClear(String),
}

impl BaseUrl {
    /// Reads and normalises a URL. Refuses what is not http(s) and anything that looks like a key; the error never
    /// repeats a secret.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let text = text.trim();
        if !text.contains("://") {
            return Err(EndpointError::NoScheme);
        }
        let mut url = Url::parse(text).map_err(|error| EndpointError::Url(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(EndpointError::NoScheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EndpointError::KeyInUrl("its user or password part".to_owned()));
        }
        if let Some((name, _)) = url.query_pairs().find(|(name, value)| is_key_name(name) || is_key_value(value)) {
            return Err(EndpointError::KeyInUrl(format!("its query field {name:?}")));
        }
        if url.path_segments().is_some_and(|mut segments| segments.any(is_key_value)) {
            return Err(EndpointError::KeyInUrl("its path".to_owned()));
        }
        url.set_fragment(None);
        let path = url.path().trim_end_matches('/');
        let path = path.strip_suffix("/chat/completions").unwrap_or(path).trim_end_matches('/');
        let path = if path.is_empty() { "/v1" } else { path }.to_owned();
        url.set_path(&path);
        Ok(Self(url))
    }

    /// The URL of a path below the base, such as `chat/completions`.
    pub fn join(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(&format!("{}/{path}", self.0.path()));
        url
    }

    /// The URL of a path at the server's root, beside the protocol, such as `props`.
    pub fn at_root(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(path);
        url
    }

    /// Host and, if it is not the scheme's own, port.
    pub fn host(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        self.0.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// Whether the endpoint is on this machine: calls are free as far as one can tell, and no proxy is asked.
    pub fn is_loopback(&self) -> bool {
        let host = self.0.host_str().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || host.ends_with(".localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// Whether no call can do without a key: over https to another machine. A server of one's own network, over http, may do
    /// without; one that wants a key says so.
    pub fn needs_key(&self) -> bool {
        self.0.scheme() == "https" && !self.is_loopback()
    }

    /// What should be known about using this URL.
    pub fn warnings(&self, has_key: bool) -> Vec<UrlWarning> {
        if has_key && self.0.scheme() == "http" && !self.is_loopback() {
            vec![UrlWarning::KeyInClear(self.host())]
        } else {
            Vec::new()
        }
    }

    /// The URL as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl std::fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_spellings_are_one_base() {
        for text in [
            "http://host:8000",
            "http://host:8000/",
            "http://host:8000/v1",
            " http://host:8000/v1/ ",
            "http://host:8000/v1/chat/completions",
            "http://host:8000/v1/chat/completions/",
        ] {
            assert_eq!(BaseUrl::parse(text).unwrap().as_str(), "http://host:8000/v1", "{text}");
        }
        assert_eq!(BaseUrl::parse("http://h/v1").unwrap().join("chat/completions").path(), "/v1/chat/completions");
    }

    #[test]
    fn other_paths_and_queries_are_kept() {
        assert_eq!(BaseUrl::parse("https://openrouter.ai/api/v1/").unwrap().as_str(), "https://openrouter.ai/api/v1");
        assert_eq!(
            BaseUrl::parse("https://h/openai/deployments/d").unwrap().join("chat/completions").path(),
            "/openai/deployments/d/chat/completions"
        );
        let azure = BaseUrl::parse("https://h/openai/v1/chat/completions?api-version=2026-01").unwrap();
        assert_eq!(azure.join("models").as_str(), "https://h/openai/v1/models?api-version=2026-01");
        assert_eq!(BaseUrl::parse("http://h:1/v1").unwrap().at_root("props").as_str(), "http://h:1/props");
    }

    #[test]
    fn keys_in_urls_are_refused_and_not_repeated() {
        for text in [
            "https://user:hunter2@h/v1",
            "https://hunter2@h/v1",
            "https://h/v1?api_key=hunter2",
            "https://h/v1?token=hunter2",
            "https://h/v1?key=hunter2",
            "https://h/v1?x=sk-hunter2",
            "https://h/sk-hunter2/v1",
        ] {
            let error = BaseUrl::parse(text).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
            assert!(error.contains("--api-key-env"), "{error}");
        }
    }

    #[test]
    fn what_is_no_url_says_what_to_write() {
        assert!(BaseUrl::parse("localhost:8000").unwrap_err().to_string().contains("http://"));
        assert!(BaseUrl::parse("ftp://h/").is_err());
        assert!(BaseUrl::parse("http://").is_err());
    }

    #[test]
    fn only_https_to_another_machine_cannot_do_without_a_key() {
        let needs = |url: &str| BaseUrl::parse(url).unwrap().needs_key();
        assert!(needs("https://api.example/v1"));
        for own in ["http://simulator:8090/v1", "http://127.0.0.1:1", "https://localhost:1"] {
            assert!(!needs(own), "{own}");
        }
    }

    #[test]
    fn only_a_key_over_the_network_in_clear_is_a_warning() {
        let warned = |url: &str, key| !BaseUrl::parse(url).unwrap().warnings(key).is_empty();
        assert!(warned("http://gpu-7:8000", true));
        assert!(!warned("http://gpu-7:8000", false));
        assert!(!warned("https://gpu-7:8000", true));
        for local in ["http://localhost:1", "http://127.0.0.9:1", "http://[::1]:1"] {
            assert!(!warned(local, true), "{local}");
        }
    }
}
