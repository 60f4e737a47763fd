//! What `train sft|dpo` was asked for, as a job's frozen description.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use trainer::{GeneralSpec, OWN_FIELDS, TrainingKind, TrainingSpec};

use crate::cli::{LossArg, TrainArgs};
use crate::commands::train::sources;
use crate::fault::{Exit, Fault};
use crate::settings::Settings;

/// A job that is wanted.
pub struct Request {
    /// What it is.
    pub spec: TrainingSpec,
    /// Whether its folder was named.
    pub out_named: bool,
}

/// Reads the arguments.
pub async fn read(
    config_file: Option<&Path>,
    settings: &Settings,
    kind: TrainingKind,
    args: &TrainArgs,
) -> Result<Request, Fault> {
    let mut found = Vec::with_capacity(args.sources.len());
    for source in &args.sources {
        found.push(sources::named(config_file, settings, source).await?);
    }
    let general = args.general.iter().map(|text| general(text)).collect::<Result<Vec<_>, _>>()?;
    let recipe = recipe(kind, args)?;
    let out = args.out.clone().unwrap_or_else(|| default_out(kind, &args.sources[0]));
    let out = absolute(&out)?;
    let spec = TrainingSpec { kind, sources: found, general, stream: args.stream, out, recipe };
    Ok(Request { spec, out_named: args.out.is_some() })
}

/// `./longhand-out/NAME-sft`, by the first source.
fn default_out(kind: TrainingKind, source: &str) -> PathBuf {
    let path = Path::new(source);
    let name = match path.file_name() {
        Some(name) if name == dataset::MANIFEST_FILE => path.parent().and_then(Path::file_name),
        name => name,
    };
    let name = name.map_or_else(|| "model".into(), |name| Path::new(name).with_extension(""));
    Path::new("longhand-out").join(format!("{}-{}", name.display(), kind.as_str()))
}

fn absolute(path: &Path) -> Result<PathBuf, Fault> {
    std::path::absolute(path)
        .map_err(|error| Fault::usage("path", format!("{} is no path", path.display())).because(error))
}

/// `FILE` or `FILE=WEIGHT`.
fn general(text: &str) -> Result<GeneralSpec, Fault> {
    let (file, weight) = match text.rsplit_once('=') {
        Some((file, weight)) => (file, weight.parse::<f64>().ok()),
        None => (text, Some(1.0)),
    };
    let weight = weight.filter(|weight| weight.is_finite() && *weight > 0.0).ok_or_else(|| {
        Fault::usage("general", format!("--general {text} has no weight above 0 after its `=`"))
            .help("write FILE or FILE=WEIGHT, such as chat.jsonl=0.5")
    })?;
    if !Path::new(file).is_file() {
        return Err(Fault::new("not_found", Exit::NotFound, format!("there is no file {file}")));
    }
    Ok(GeneralSpec { path: absolute(Path::new(file))?, weight })
}

/// The recipe's fields, from `--recipe` and the flags.
fn recipe(kind: TrainingKind, args: &TrainArgs) -> Result<Map<String, Value>, Fault> {
    let mut recipe = match &args.recipe {
        Some(path) => file(path)?,
        None => Map::new(),
    };
    let mut set = |field: &str, value: Option<Value>| {
        if let Some(value) = value {
            recipe.insert(field.to_owned(), value);
        }
    };
    set("base_model", args.model.as_ref().map(|model| json!(model_path(model))));
    set("epochs", args.epochs.map(|epochs| json!(epochs)));
    set("max_length", args.max_length.map(|tokens| json!(tokens)));
    set("packs_per_step", args.packs_per_step.map(|packs| json!(packs)));
    set("learning_rate", args.learning_rate.map(|rate| json!(rate)));
    set("template", args.template.as_ref().map(|template| json!(model_path(template))));
    set("seed", args.seed.map(|seed| json!(seed)));
    set("processes", args.processes.map(|processes| json!(processes)));
    set("checkpoint_every", args.checkpoint_every.map(|steps| json!({"steps": steps, "seconds": null})));
    set(
        "loss",
        args.loss.map(|loss| match loss {
            LossArg::TokenAveraged => json!("token_averaged"),
            LossArg::SequenceAveraged => json!("sequence_averaged"),
            LossArg::Released => json!("released"),
        }),
    );
    set("tuning", args.full.then(|| json!({"kind": "full"})));
    set("tuning", args.lora_rank.map(|rank| json!({"kind": "lora", "r": rank})));
    if let Some(beta) = args.beta {
        if kind != TrainingKind::Dpo {
            return Err(Fault::usage("beta", "--beta belongs to `train dpo`"));
        }
        set("dpo", Some(json!({"beta": beta})));
    }
    // Frozen with the job: another build may have another default.
    if recipe.get("epochs").is_none_or(Value::is_null) {
        recipe.insert("epochs".to_owned(), json!(kind.epochs()));
    }
    if !recipe.get("base_model").is_some_and(Value::is_string) {
        return Err(Fault::usage("no_model", "no model is named that could be trained")
            .help("add --model FOLDER, or --model NAME of the Hugging Face hub"));
    }
    Ok(recipe)
}

/// A folder or file that is there is meant by its place, wherever the backend is started; anything else is a name.
fn model_path(name: &str) -> String {
    let path = Path::new(name);
    if path.exists() {
        return std::path::absolute(path).map_or_else(|_| name.to_owned(), |path| path.display().to_string());
    }
    name.to_owned()
}

fn file(path: &Path) -> Result<Map<String, Value>, Fault> {
    let unreadable = |error: &dyn std::fmt::Display| {
        Fault::usage("recipe_file", format!("the recipe {} cannot be read", path.display())).because(error)
    };
    let bytes = std::fs::read(path).map_err(|error| unreadable(&error))?;
    let recipe: Map<String, Value> = serde_json::from_slice(&bytes).map_err(|error| unreadable(&error))?;
    match OWN_FIELDS.iter().find(|field| recipe.contains_key(**field)) {
        Some(field) => Err(unreadable(&format!("the field {field} is the trainer's own"))),
        None => Ok(recipe),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: TrainArgs,
    }

    fn parsed(line: &[&str]) -> TrainArgs {
        Line::parse_from([&["train", "out"][..], line].concat()).args
    }

    #[test]
    fn flags_win_over_the_file_and_what_decides_is_frozen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recipe.json");
        std::fs::write(&path, r#"{"base_model": "m", "max_length": 9, "precision": "fp32"}"#).unwrap();
        let path = path.to_str().unwrap();
        let args = parsed(&["--recipe", path, "--max-length", "2048", "--full", "--loss", "released"]);
        let made = recipe(TrainingKind::Sft, &args).unwrap();
        let wanted = json!({
            "base_model": "m", "max_length": 2048, "precision": "fp32", "loss": "released", "tuning": {"kind": "full"},
            "epochs": 4,
        });
        assert_eq!(Value::Object(made), wanted);
        std::fs::write(path, r#"{"base_model": "m", "data": {}}"#).unwrap();
        assert_eq!(recipe(TrainingKind::Sft, &args).unwrap_err().code, "recipe_file");
        assert_eq!(recipe(TrainingKind::Sft, &parsed(&["--model", "m", "--beta", "0.2"])).unwrap_err().code, "beta");
        assert_eq!(recipe(TrainingKind::Dpo, &parsed(&[])).unwrap_err().code, "no_model");
    }

    #[test]
    fn the_folder_is_named_after_the_source() {
        let out = |source: &str| default_out(TrainingKind::Sft, source).display().to_string();
        assert_eq!(out("longhand-out/demo"), "longhand-out/demo-sft");
        assert_eq!(out("data/set/manifest.json"), "longhand-out/set-sft");
        assert_eq!(out("pairs.jsonl"), "longhand-out/pairs-sft");
        assert_eq!(out("run_7fk2m3x9"), "longhand-out/run_7fk2m3x9-sft");
        assert!(general("nowhere.jsonl=2").is_err_and(|fault| fault.exit == Exit::NotFound));
        assert!(general("nowhere.jsonl=-1").is_err_and(|fault| fault.exit == Exit::Usage));
    }
}
