//! docker-compose.yml as plain JSON, with anchors and merges resolved.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use yaml_rust2::{Yaml, YamlLoader};

/// The file. Values that are no maps or lists are text.
pub fn parse(text: &str) -> Value {
    let documents = YamlLoader::load_from_str(text).expect("docker-compose.yml is YAML");
    plain(&documents[0])
}

fn plain(yaml: &Yaml) -> Value {
    match yaml {
        Yaml::String(text) | Yaml::Real(text) => Value::String(text.clone()),
        Yaml::Integer(number) => Value::String(number.to_string()),
        Yaml::Boolean(value) => Value::String(value.to_string()),
        Yaml::Array(items) => items.iter().map(plain).collect(),
        Yaml::Hash(entries) => {
            let mut map = Map::new();
            // A key of the map itself wins over one that is merged into it, wherever it stands.
            let merges = entries.iter().filter(|(key, _)| key.as_str() == Some("<<"));
            for (_, merged) in merges {
                let sources =
                    if let Yaml::Array(sources) = merged { sources.as_slice() } else { std::slice::from_ref(merged) };
                for source in sources.iter().rev() {
                    map.extend(plain(source).as_object().expect("a map is merged").clone());
                }
            }
            for (key, value) in entries.iter().filter(|(key, _)| key.as_str() != Some("<<")) {
                map.insert(key.as_str().expect("a key is text").to_owned(), plain(value));
            }
            Value::Object(map)
        }
        _ => Value::Null,
    }
}

/// Name and content of each service.
pub fn services(compose: &Value) -> impl Iterator<Item = (&String, &Value)> {
    compose["services"].as_object().expect("there are services").iter()
}

/// Text with every `${NAME:-DEFAULT}` as its default.
pub fn expanded(text: &str) -> String {
    let mut whole = text.to_owned();
    for (name, default) in variables(text) {
        whole = whole.replace(&format!("${{{name}:-{default}}}"), &default);
    }
    assert!(!whole.contains("${"), "{text}: a variable without a default");
    whole
}

/// Name and default of every `${NAME:-DEFAULT}`.
pub fn variables(text: &str) -> BTreeSet<(String, String)> {
    let uses = text.split("${").skip(1);
    uses.filter_map(|rest| rest.split_once('}')?.0.split_once(":-"))
        .map(|(name, default)| (name.to_owned(), default.to_owned()))
        .collect()
}
