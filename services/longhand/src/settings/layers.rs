//! The layers of settings and where each value comes from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::{MemberSettings, Settings};
use crate::fault::Fault;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Built in.
    Default,
    /// A settings file.
    File(PathBuf),
    /// A variable of `.env` or of the environment.
    Variable(String),
    /// A flag.
    Flag,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => write!(f, "env {name}"),
            Self::Flag => f.write_str("flag"),
        }
    }
}

/// All values that are set, with their origin; `section.key` each.
#[derive(Debug, Default)]
pub struct Layers {
    values: Table,
    origins: BTreeMap<String, Origin>,
}

const PREFIX: &str = "LONGHAND__";

impl Layers {
    /// Reads file, `.env`, environment and flags.
    pub fn read(file: Option<&Path>, environment: &BTreeMap<String, String>, flags: Table) -> Result<Self, Fault> {
        let mut layers = Self::default();
        let default = Path::new("longhand.toml");
        let path = file.or_else(|| default.is_file().then_some(default));
        if let Some(path) = path {
            layers.add_file(path)?;
        }
        let mut variables = dot_env(Path::new(".env"))?;
        variables.extend(environment.clone());
        layers.add_variables(&variables)?;
        layers.add(flags, "", &Origin::Flag);
        Ok(layers)
    }

    fn add_file(&mut self, path: &Path) -> Result<(), Fault> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Fault::usage("config_file", format!("{} cannot be read", path.display())).because(error)
        })?;
        let table: Table = toml::from_str(&text).map_err(|error| {
            Fault::usage("config_file", format!("{} is not valid TOML", path.display()))
                .because(error.to_string().trim())
        })?;
        check_known(&table, &path.display().to_string())?;
        self.add(table, "", &Origin::File(path.to_owned()));
        Ok(())
    }

    /// `OPENAI_BASE_URL` is the ecosystem's own name; `LONGHAND__SECTION__KEY` is ours.
    fn add_variables(&mut self, variables: &BTreeMap<String, String>) -> Result<(), Fault> {
        if let Some(url) = variables.get("OPENAI_BASE_URL").filter(|url| !url.is_empty()) {
            let table = nested(&["endpoint", "base_url"], Value::String(url.clone()));
            self.add(table, "", &Origin::Variable("OPENAI_BASE_URL".to_owned()));
        }
        for (name, text) in variables {
            let Some(path) = name.strip_prefix(PREFIX) else { continue };
            let path = path.to_lowercase();
            let keys: Vec<&str> = path.split("__").collect();
            let table = nested(&keys, typed(&keys, text));
            check_known(&table, name)?;
            self.add(table, "", &Origin::Variable(name.clone()));
        }
        Ok(())
    }

    fn add(&mut self, table: Table, prefix: &str, origin: &Origin) {
        let mut values = std::mem::take(&mut self.values);
        self.merge(&mut values, table, prefix, origin);
        self.values = values;
    }

    fn merge(&mut self, into: &mut Table, from: Table, prefix: &str, origin: &Origin) {
        for (key, value) in from {
            let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            match (into.get_mut(&key), value) {
                (Some(Value::Table(old)), Value::Table(new)) => self.merge(old, new, &path, origin),
                (_, Value::Table(table)) if !table.is_empty() => {
                    let mut inner = Table::new();
                    self.merge(&mut inner, table, &path, origin);
                    into.insert(key, Value::Table(inner));
                }
                (_, value) => {
                    self.origins.insert(path, origin.clone());
                    into.insert(key, value);
                }
            }
        }
    }

    /// The settings.
    pub fn settings(&self) -> Result<Settings, Fault> {
        self.values.clone().try_into().map_err(|error: toml::de::Error| {
            Fault::usage("config_value", "a setting has the wrong type").because(error.to_string().trim())
        })
    }

    /// Where a value comes from.
    pub fn origin(&self, path: &str) -> Origin {
        let mut path = path;
        loop {
            if let Some(origin) = self.origins.get(path) {
                return origin.clone();
            }
            match path.rsplit_once('.') {
                Some((parent, _)) => path = parent,
                None => return Origin::Default,
            }
        }
    }
}

fn nested(keys: &[&str], value: Value) -> Table {
    let mut value = value;
    for key in keys.iter().rev() {
        value = Value::Table(Table::from_iter([((*key).to_owned(), value)]));
    }
    match value {
        Value::Table(table) => table,
        _ => Table::new(),
    }
}

/// Every setting with its default.
fn defaults() -> Table {
    Table::try_from(Settings::default()).expect("the settings are plain values")
}

/// What may stand in each `[endpoints.NAME]`.
fn member_defaults() -> Table {
    Table::try_from(MemberSettings::default()).expect("the settings are plain values")
}

/// A variable's text as the type that the setting has.
fn typed(keys: &[&str], text: &str) -> Value {
    let known = match keys {
        ["endpoints", _, key] => member_defaults().get(*key).cloned(),
        keys => keys.iter().try_fold(Value::Table(defaults()), |known, key| known.get(key).cloned()),
    };
    let parsed =
        || toml::from_str::<Table>(&format!("value = {text}")).ok().and_then(|mut table| table.remove("value"));
    match known {
        Some(Value::String(_)) => Value::String(text.to_owned()),
        Some(Value::Float(_)) => text.parse().map_or_else(|_| Value::String(text.to_owned()), Value::Float),
        _ => parsed().unwrap_or_else(|| Value::String(text.to_owned())),
    }
}

/// Every key of a table must be one that [`Settings`] has; free-form tables (`*_extra_body`) are left alone.
fn check_known(table: &Table, source: &str) -> Result<(), Fault> {
    check_table(table, &defaults(), "", source)
}

fn check_table(table: &Table, known: &Table, prefix: &str, source: &str) -> Result<(), Fault> {
    for (key, value) in table {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        if key == "api_key" && prefix.starts_with("endpoint") {
            return Err(Fault::usage("key_in_config", format!("{source}: a key must not stand in a settings file"))
                .help(format!("put it into an environment variable and name that with [{prefix}] api_key_env")));
        }
        match (known.get(key), value) {
            (None, Value::Table(member)) if prefix == "endpoints" => {
                check_table(member, &member_defaults(), &path, source)?;
            }
            (None, _) => {
                let candidates: Vec<&str> = known.keys().map(String::as_str).collect();
                let fault = Fault::usage("unknown_setting", format!("{source}: there is no setting `{path}`"));
                return Err(match nearest(key, &candidates) {
                    Some(near) => {
                        let near = if prefix.is_empty() { near.to_owned() } else { format!("{prefix}.{near}") };
                        fault.help(format!("did you mean `{near}`? `longhand config show` lists all"))
                    }
                    None => fault.help("`longhand config show` lists all settings"),
                });
            }
            (Some(Value::Table(inner)), Value::Table(table)) if !key.ends_with("_extra_body") => {
                check_table(table, inner, &path, source)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// The candidate that is most alike, if any is alike at all.
pub fn nearest<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let best = candidates.iter().map(|candidate| (distance(word, candidate), *candidate)).min()?;
    (best.0 <= word.chars().count().div_ceil(2)).then_some(best.1)
}

/// Levenshtein distance in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let cost = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// Reads `KEY=VALUE` lines; a missing file is empty.
fn dot_env(path: &Path) -> Result<BTreeMap<String, String>, Fault> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(Fault::usage("env_file", ".env cannot be read").because(error)),
    };
    let mut variables = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((name, value)) = line.split_once('=') else {
            return Err(Fault::usage("env_file", format!(".env:{}: not NAME=VALUE", index + 1)));
        };
        variables.insert(name.trim().to_owned(), value.trim().trim_matches(['"', '\'']).to_owned());
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(toml: &str, environment: &[(&str, &str)], flags: Table) -> Result<(Settings, Layers), Fault> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("longhand.toml");
        std::fs::write(&path, toml).unwrap();
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let layers = Layers::read(Some(&path), &environment, flags)?;
        Ok((layers.settings()?, layers))
    }

    #[test]
    fn later_layers_win_and_say_where_a_value_comes_from() {
        let flags = nested(&["limits", "rpm"], Value::Integer(7));
        let (settings, layers) = read(
            "[limits]\nconcurrency = 3\nrpm = 5\n[endpoint]\nmodel = \"a\"",
            &[("LONGHAND__LIMITS__CONCURRENCY", "9"), ("LONGHAND__ENDPOINT__MODEL", "123")],
            flags,
        )
        .unwrap();
        assert_eq!((settings.limits.concurrency, settings.limits.rpm), (9, 7));
        assert_eq!(settings.endpoint.model, "123");
        assert_eq!(layers.origin("limits.rpm"), Origin::Flag);
        assert_eq!(layers.origin("limits.concurrency"), Origin::Variable("LONGHAND__LIMITS__CONCURRENCY".into()));
        assert_eq!(layers.origin("limits.tpm"), Origin::Default);
    }

    #[test]
    fn an_unknown_key_names_the_nearest_one() {
        let fault = read("[limits]\nconcurency = 3", &[], Table::new()).unwrap_err();
        assert_eq!(fault.code, "unknown_setting");
        assert!(fault.help.unwrap().contains("limits.concurrency"));
        let fault = read("", &[("LONGHAND__LIMIT__RPM", "3")], Table::new()).unwrap_err();
        assert!(fault.help.unwrap().contains("`limits`"));
    }

    #[test]
    fn extra_body_takes_any_field_and_a_key_in_a_file_is_refused() {
        let (settings, _) = read("[sampling.write_extra_body]\nguided = {a = 1}", &[], Table::new()).unwrap();
        assert!(settings.sampling.write_extra_body.contains_key("guided"));
        for table in ["endpoint", "endpoints.a"] {
            let fault = read(&format!("[{table}]\napi_key = \"x\""), &[], Table::new()).unwrap_err();
            assert_eq!(fault.code, "key_in_config");
        }
    }

    #[test]
    fn endpoints_have_names_and_their_keys_are_checked() {
        let (settings, _) = read(
            "[endpoints.a]\nbase_url = \"http://a/v1\"",
            &[("LONGHAND__ENDPOINTS__A__MODEL", "7"), ("LONGHAND__ENDPOINTS__A__WEIGHT", "2")],
            Table::new(),
        )
        .unwrap();
        let member = &settings.endpoints["a"];
        assert_eq!((member.base_url.as_str(), member.model.as_str(), member.weight), ("http://a/v1", "7", 2.0));
        let fault = read("[endpoints.a]\nconcurency = 3", &[], Table::new()).unwrap_err();
        assert!(fault.help.unwrap().contains("endpoints.a.concurrency"));
    }
}
