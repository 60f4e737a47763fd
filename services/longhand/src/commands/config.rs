//! `longhand config show|schema|prompts`.

use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;

use agentwrite::prompts;

use crate::cli::{ConfigArgs, ConfigWhat};
use crate::fault::{Exit, Fault};
use crate::output::put;
use crate::settings::{self, Layers};

/// Shows.
pub fn run(config_file: Option<&Path>, args: &ConfigArgs, out: &mut dyn Write) -> Result<Exit, Fault> {
    let text = match args.what {
        ConfigWhat::Show => show(config_file, args.json)?,
        ConfigWhat::Schema => format!("{:#}\n", settings::json_schema()),
        ConfigWhat::Prompts => prompt_texts(args.json),
    };
    put(out, &text)?;
    Ok(Exit::Done)
}

fn show(config_file: Option<&Path>, json: bool) -> Result<String, Fault> {
    let (settings, layers) = settings::load(config_file, toml::Table::new())?;
    let values = serde_json::to_value(&settings).expect("the settings are plain values");
    if json {
        return Ok(format!("{}\n", serde_json::json!({"schema": 1, "settings": values})));
    }
    let mut out = String::new();
    list(&mut out, "", &values, &layers);
    Ok(out)
}

fn list(out: &mut String, prefix: &str, value: &serde_json::Value, layers: &Layers) {
    match value {
        serde_json::Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                list(out, &path, value, layers);
            }
        }
        value => {
            let _ = writeln!(out, "{prefix:<44} {value:<28} {}", layers.origin(prefix));
        }
    }
}

fn prompt_texts(json: bool) -> String {
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
        return format!("{}\n", serde_json::json!({"schema": 1, "prompts": prompts}));
    }
    let mut out = String::new();
    for (name, text) in all {
        let _ = write!(out, "--- {name}\n{text}\n\n");
    }
    out
}
