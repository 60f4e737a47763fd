//! The servers of the distributed edition. Their addresses hold passwords: they are read here and shown nowhere.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use dataset::S3Settings;
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
    /// Whether there is an address at all.
    pub fn is_named(&self) -> bool {
        !self.url.0.trim().is_empty() || !self.url_file.is_empty()
    }

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

/// `[shards]`. The key of a bucket is not among them: it comes from the variables of the AWS tools, or from files.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShardSettings {
    /// Where shards go: `file:///FOLDER` or `s3://BUCKET/PREFIX`, in which each run has a folder named after it.
    pub url: String,
    /// File that holds the key's id, instead of `AWS_ACCESS_KEY_ID`.
    pub access_key_id_file: String,
    /// File that holds the key, instead of `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key_file: String,
}

/// The place of all shards.
#[derive(Debug, Clone, PartialEq)]
pub enum ShardsUrl {
    /// A folder.
    Folder(PathBuf),
    /// A bucket.
    Bucket(S3Settings),
}

impl ShardSettings {
    /// The place of all runs' shards.
    pub fn place(&self, environment: &BTreeMap<String, String>) -> Result<ShardsUrl, Fault> {
        let help = "export LONGHAND__SHARDS__URL=file:///var/lib/longhand/shards, or s3://BUCKET/PREFIX";
        if self.url.is_empty() {
            return Err(Fault::usage("no_url", "no place for shards is named").help(help));
        }
        if self.url.starts_with("s3://") {
            let settings = S3Settings::new(&self.url, &self.with_key_files(environment)?);
            return settings.map(ShardsUrl::Bucket).map_err(|error| {
                Fault::usage("shards_url", "the place for shards cannot be used").because(error).help(help)
            });
        }
        match self.url.strip_prefix("file://") {
            Some(path) if path.starts_with('/') => Ok(ShardsUrl::Folder(PathBuf::from(path))),
            _ => Err(Fault::usage(
                "shards_url",
                "LONGHAND__SHARDS__URL is not of the form file:///FOLDER or s3://BUCKET/PREFIX",
            )
            .because("shards are written to a folder that all packers see, or to a bucket")
            .help(help)),
        }
    }

    /// The environment, with the key from the files that are named.
    fn with_key_files(&self, environment: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Fault> {
        let mut variables = environment.clone();
        for (name, file) in
            [("AWS_ACCESS_KEY_ID", &self.access_key_id_file), ("AWS_SECRET_ACCESS_KEY", &self.secret_access_key_file)]
        {
            if file.is_empty() {
                continue;
            }
            let key = std::fs::read_to_string(file).map_err(|error| {
                Fault::usage("key_file", format!("the key file {file} cannot be read")).because(error)
            })?;
            if variables.insert(name.to_owned(), key).is_some_and(|key| !key.is_empty()) {
                let what = format!("{name} and a file for it are both set, which is one too many");
                return Err(Fault::usage("two_keys", what));
            }
        }
        Ok(variables)
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
    fn shards_go_to_a_folder_or_a_bucket() {
        let place =
            |url: &str| ShardSettings { url: url.to_owned(), ..ShardSettings::default() }.place(&BTreeMap::new());
        assert_eq!(place("file:///srv/shards").unwrap(), ShardsUrl::Folder(PathBuf::from("/srv/shards")));
        let bucket = S3Settings::new("s3://bucket/shards", &BTreeMap::new()).unwrap();
        assert_eq!(place("s3://bucket/shards").unwrap(), ShardsUrl::Bucket(bucket));
        for url in ["/srv/shards", "file://host/srv", "s3://", "gs://bucket"] {
            assert_eq!(place(url).unwrap_err().code, "shards_url", "{url}");
        }
        assert_eq!(place("").unwrap_err().code, "no_url");
    }

    #[test]
    fn a_bucket_s_key_comes_from_one_place_and_is_shown_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        std::fs::write(&file, "geheim\n").unwrap();
        let settings = ShardSettings {
            url: "s3://bucket".to_owned(),
            access_key_id_file: file.display().to_string(),
            secret_access_key_file: file.display().to_string(),
        };
        let variables = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), "geheim".to_owned())).collect();
        let both = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
        let named = ShardSettings { url: settings.url.clone(), ..ShardSettings::default() }.place(&variables(&both));
        let read = settings.place(&BTreeMap::new()).unwrap();
        assert_eq!(read, named.unwrap());
        assert!(!format!("{read:?}").contains("geheim"), "{read:?}");
        assert_eq!(settings.place(&variables(&both[1..])).unwrap_err().code, "two_keys");
        std::fs::remove_file(file).unwrap();
        assert_eq!(settings.place(&BTreeMap::new()).unwrap_err().code, "key_file");
    }
}
