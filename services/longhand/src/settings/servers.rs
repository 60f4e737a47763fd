//! The servers of the distributed edition. Their addresses hold passwords: they are read here and shown nowhere.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};
use worker::{Spool, SpoolWhen};

use crate::fault::Fault;

/// An answer that the database has not taken by then goes to the spool.
const SPOOLED_AFTER: Duration = Duration::from_millis(50);

/// An address that may hold a password. Written out, by `config show` or in `Debug`, the secret part is masked.
#[derive(Clone, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct SecretUrl(String);

impl SecretUrl {
    /// With everything that may be secret masked: user and password, and the query.
    fn masked(&self) -> String {
        let Some((scheme, rest)) = self.0.split_once("://") else {
            return if self.0.is_empty() { String::new() } else { "***".to_owned() };
        };
        let rest = rest.rsplit_once('@').map_or(rest.to_owned(), |(_, rest)| format!("***@{rest}"));
        let rest = rest.split_once('?').map_or(rest.clone(), |(rest, _)| format!("{rest}?***"));
        format!("{scheme}://{rest}")
    }
}

impl Serialize for SecretUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.masked())
    }
}

impl std::fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.masked())
    }
}

/// `[database]` and `[queue]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerSettings {
    /// Its address.
    pub url: SecretUrl,
    /// File that holds the address, instead of `url`.
    pub url_file: String,
}

impl ServerSettings {
    /// The address, from the variable or the file, which exclude each other. `section` and `example` are for the message.
    pub fn address(&self, section: &str, example: &str) -> Result<String, Fault> {
        let variable = format!("LONGHAND__{}__URL", section.to_uppercase());
        match (self.url.0.trim(), self.url_file.as_str()) {
            ("", "") => Err(Fault::usage("no_url", format!("no {section} is named"))
                .because("this command is one of the distributed edition")
                .help(format!("export {variable}={example}, or name a file that holds it with {variable}_FILE"))),
            (url, "") => Ok(url.to_owned()),
            ("", file) => {
                let url = std::fs::read_to_string(file).map_err(|error| {
                    Fault::usage("url_file", format!("the file {file} cannot be read")).because(error)
                })?;
                Ok(url.trim().to_owned())
            }
            _ => Err(Fault::usage(
                "two_urls",
                format!("{variable} and {variable}_FILE are both set, which is one too many"),
            )),
        }
    }
}

/// `[shards]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShardSettings {
    /// Where shards go: `file:///FOLDER`, in which each run has a folder named after it.
    pub url: String,
}

impl ShardSettings {
    /// The folder of all runs' shards.
    pub fn folder(&self) -> Result<PathBuf, Fault> {
        let help = "export LONGHAND__SHARDS__URL=file:///var/lib/longhand/shards";
        if self.url.is_empty() {
            return Err(Fault::usage("no_url", "no place for shards is named").help(help));
        }
        match self.url.strip_prefix("file://") {
            Some(path) if path.starts_with('/') => Ok(PathBuf::from(path)),
            _ => Err(Fault::usage("shards_url", "LONGHAND__SHARDS__URL is not of the form file:///FOLDER")
                .because(
                    "shards are written to a folder that all packers see; other kinds of storage are not supported",
                )
                .help(help)),
        }
    }
}

/// `[spool]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SpoolSettings {
    /// Folder of answers that wait for the database, on a disk that outlives the process; empty = none is kept.
    pub dir: String,
}

impl Default for SpoolSettings {
    fn default() -> Self {
        Self { dir: "longhand-spool".to_owned() }
    }
}

impl SpoolSettings {
    /// The spool of a process, made and found writable. A folder that somebody named must be usable; without the default one
    /// a process serves all the same.
    pub fn spool(&self, process: &str) -> Result<Option<Spool>, Fault> {
        if self.dir.is_empty() {
            return Ok(None);
        }
        let spool = Spool::new(&self.dir, process, SpoolWhen::Late(SPOOLED_AFTER));
        match spool.prepare() {
            Ok(()) => Ok(Some(spool)),
            Err(error) if *self == Self::default() => {
                eprintln!(
                    "warning: no spool: {} cannot be written ({error}); answers that come while the database is away are \
                     lost with this process. Name a folder with --spool DIR",
                    self.dir
                );
                Ok(None)
            }
            Err(error) => Err(Fault::usage("spool_unwritable", format!("the spool {} cannot be written", self.dir))
                .because(error)
                .help("name a folder with --spool DIR or LONGHAND__SPOOL__DIR")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_ever_written_out() {
        for url in [
            "postgres://longhand:geheim@db/longhand",
            "postgres://longhand:ge@geheim/heim@db/longhand",
            "postgres://db/longhand?password=geheim",
            "geheim",
        ] {
            let server = ServerSettings { url: SecretUrl(url.to_owned()), url_file: String::new() };
            let written = format!("{server:?} {}", serde_json::to_string(&server).unwrap());
            assert!(!written.contains("heim"), "{written}");
            assert_eq!(server.address("database", "").unwrap(), url);
        }
    }

    #[test]
    fn an_address_comes_from_one_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("url");
        std::fs::write(&path, "amqp://a:b@host/%2f\n").unwrap();
        let file = ServerSettings { url_file: path.display().to_string(), ..ServerSettings::default() };
        assert_eq!(file.address("queue", "").unwrap(), "amqp://a:b@host/%2f");
        let both = ServerSettings { url: SecretUrl("amqp://host".to_owned()), ..file };
        assert_eq!(both.address("queue", "").unwrap_err().code, "two_urls");
        assert_eq!(ServerSettings::default().address("queue", "").unwrap_err().code, "no_url");
    }

    #[test]
    fn shards_go_to_a_folder() {
        let folder = |url: &str| ShardSettings { url: url.to_owned() }.folder();
        assert_eq!(folder("file:///srv/shards").unwrap(), PathBuf::from("/srv/shards"));
        for url in ["s3://bucket/shards", "/srv/shards", "file://host/srv"] {
            assert_eq!(folder(url).unwrap_err().code, "shards_url", "{url}");
        }
    }
}
