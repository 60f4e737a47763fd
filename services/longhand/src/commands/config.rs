//! `longhand config show|schema|prompts`.

use std::path::Path;

use agentwrite::prompts;

use crate::cli::{ConfigArgs, ConfigWhat};
use crate::fault::{Exit, Fault};
use crate::settings::{self, Layers};

/// Shows.
pub fn run(config_file: Option<&Path>, args: &ConfigArgs) -> Result<Exit, Fault> {
    match args.what {
        ConfigWhat::Show => show(config_file, args.json),
        ConfigWhat::Schema => {
            println!("{:#}", settings::json_schema());
            Ok(Exit::Done)
        }
        ConfigWhat::Prompts => {
            show_prompts(args.json);
            Ok(Exit::Done)
        }
    }
}

fn show(config_file: Option<&Path>, json: bool) -> Result<Exit, Fault> {
    let (settings, layers) = settings::load(config_file, toml::Table::new())?;
    let values = serde_json::to_value(&settings).expect("the settings are plain values");
    if json {
        println!("{}", serde_json::json!({"schema": 1, "settings": values}));
        return Ok(Exit::Done);
    }
    list("", &values, &layers);
    Ok(Exit::Done)
}

fn list(prefix: &str, value: &serde_json::Value, layers: &Layers) {
    match value {
        serde_json::Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                list(&path, value, layers);
            }
        }
        value => println!("{prefix:<44} {value:<28} {}", layers.origin(prefix)),
    }
}

fn show_prompts(json: bool) {
    let all = [
        ("plan", prompts::PLAN),
        ("plan_json", prompts::PLAN_JSON),
        ("write (layout paper)", prompts::WRITE),
        ("write (layout turns)", prompts::WRITE_TURNS),
        ("reask", prompts::REASK),
    ];
    if json {
        let prompts: serde_json::Map<String, serde_json::Value> =
            all.iter().map(|(name, text)| ((*name).to_owned(), (*text).into())).collect();
        println!("{}", serde_json::json!({"schema": 1, "prompts": prompts}));
        return;
    }
    for (name, text) in all {
        println!("--- {name}\n{text}\n");
    }
}
