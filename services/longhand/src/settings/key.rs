//! An endpoint's key: from a variable or a file, never from the settings themselves.

use std::collections::BTreeMap;

use secrecy::SecretString;

use super::endpoints::DEFAULT;
use crate::fault::{Exit, Fault};

/// Where the key of an endpoint may be. Empty = not there.
pub(super) struct KeySource<'a> {
    /// The endpoint.
    pub(super) name: &'a str,
    /// The variable that holds it.
    pub(super) variable: &'a str,
    /// The file that holds it.
    pub(super) file: &'a str,
}

impl KeySource<'_> {
    /// The key, and where it came from; the file and the variable exclude each other. An empty file says that there is none.
    pub(super) fn read(&self, environment: &BTreeMap<String, String>) -> Result<(Option<SecretString>, String), Fault> {
        let variable = self.variable;
        let from_variable = environment.get(variable).filter(|key| !key.trim().is_empty());
        let twin = format!("{variable}_FILE");
        let from_twin = environment.get(&twin).filter(|_| !variable.is_empty()).map(String::as_str);
        match (from_variable, Some(self.file).filter(|file| !file.is_empty()).or(from_twin)) {
            (Some(_), Some(_)) => {
                Err(Fault::usage("two_keys", format!("{variable} and {twin} are both set, which is one too many")))
            }
            (Some(key), None) => Ok((Some(SecretString::from(key.trim().to_owned())), format!("env {variable}"))),
            (None, Some(file)) => {
                let key = std::fs::read_to_string(file).map_err(|error| {
                    Fault::usage("key_file", format!("the key file {file} cannot be read")).because(error)
                })?;
                let key = Some(key.trim()).filter(|key| !key.is_empty());
                Ok((key.map(|key| SecretString::from(key.to_owned())), format!("file {file}")))
            }
            (None, None) => Ok((None, "none".to_owned())),
        }
    }
}

/// Why an endpoint that needs a key cannot be called: none is there, or the file that should hold it is empty. `read_from` is
/// what [`KeySource::read`] said.
pub(super) fn no_key(source: &KeySource<'_>, host: &str, read_from: &str) -> Fault {
    let variable = source.variable;
    let fault = Fault::new("auth", Exit::Auth, format!("no key for {host}"));
    match (read_from.strip_prefix("file "), variable) {
        (Some(file), _) => fault.because(format!("the file {file} is empty")).help("write the key into that file"),
        (None, "") => fault
            .because(format!("[endpoints.{0}] names neither a variable nor a file for its key", source.name))
            .help(format!("set [endpoints.{}] api_key_env to the name of the variable that holds it", source.name)),
        (None, variable) => {
            let another = if source.name == DEFAULT {
                "with --api-key-env".to_owned()
            } else {
                format!("in [endpoints.{}] api_key_env", source.name)
            };
            fault
                .because(format!("the environment variable {variable} is not set"))
                .help(format!("export {variable}=..., or name another variable {another}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{EndpointSettings, Settings};
    use super::*;

    fn endpoint(base_url: &str, api_key_file: &str) -> Result<llm::EndpointConfig, Fault> {
        let endpoint = EndpointSettings {
            base_url: base_url.to_owned(),
            api_key_file: api_key_file.to_owned(),
            ..EndpointSettings::default()
        };
        let settings = Settings { endpoint, ..Settings::default() };
        settings.endpoint_config(DEFAULT, &BTreeMap::new()).map(|(config, _)| config)
    }

    #[test]
    fn an_empty_file_says_that_there_is_no_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let file = path.to_str().unwrap();
        std::fs::write(&path, "\n").unwrap();
        assert!(endpoint("http://simulator:8090/v1", file).unwrap().api_key.is_none());
        let fault = endpoint("https://api.example/v1", file).unwrap_err();
        assert_eq!((fault.code, fault.exit), ("auth", Exit::Auth));
        assert!(fault.help.unwrap().contains("that file"));
        std::fs::write(&path, "sk-right\n").unwrap();
        assert!(endpoint("https://api.example/v1", file).unwrap().api_key.is_some());
    }

    #[test]
    fn a_server_of_ones_own_network_needs_no_key() {
        assert!(endpoint("http://gpu-7:8000/v1", "").unwrap().api_key.is_none());
        let fault = endpoint("https://gpu-7:8000/v1", "").unwrap_err();
        assert!(fault.help.unwrap().contains("OPENAI_API_KEY"));
    }
}
