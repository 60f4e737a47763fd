//! The endpoint's key: from a variable or a file, never from the settings themselves.

use std::collections::BTreeMap;

use secrecy::SecretString;

use super::EndpointSettings;
use crate::fault::{Exit, Fault};

/// The key, and where it came from; the file and the variable exclude each other. An empty file says that there is none.
pub(super) fn api_key(
    settings: &EndpointSettings,
    environment: &BTreeMap<String, String>,
) -> Result<(Option<SecretString>, String), Fault> {
    let from_variable = environment.get(&settings.api_key_env).filter(|key| !key.trim().is_empty());
    let twin = format!("{}_FILE", settings.api_key_env);
    let file = Some(&settings.api_key_file).filter(|file| !file.is_empty()).or_else(|| environment.get(&twin));
    match (from_variable, file) {
        (Some(_), Some(_)) => Err(Fault::usage(
            "two_keys",
            format!("{} and {twin} are both set, which is one too many", settings.api_key_env),
        )),
        (Some(key), None) => {
            Ok((Some(SecretString::from(key.trim().to_owned())), format!("env {}", settings.api_key_env)))
        }
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

/// Why an endpoint that needs a key cannot be called: none is there, or the file that should hold it is empty.
pub(super) fn no_key(settings: &EndpointSettings, host: &str, source: &str) -> Fault {
    let variable = &settings.api_key_env;
    let fault = Fault::new("auth", Exit::Auth, format!("no key for {host}"));
    match source.strip_prefix("file ") {
        Some(file) => fault.because(format!("the file {file} is empty")).help("write the key into that file"),
        None => fault
            .because(format!("the environment variable {variable} is not set"))
            .help(format!("export {variable}=..., or name another variable with --api-key-env")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Settings;
    use super::*;

    fn endpoint(base_url: &str, api_key_file: &str) -> Result<llm::EndpointConfig, Fault> {
        let endpoint = EndpointSettings {
            base_url: base_url.to_owned(),
            api_key_file: api_key_file.to_owned(),
            ..EndpointSettings::default()
        };
        Settings { endpoint, ..Settings::default() }.endpoint_config(&BTreeMap::new())
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
