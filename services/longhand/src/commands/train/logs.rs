//! `longhand train logs JOB|DIR [--follow]`: what the trainer and its backend said.

use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use agentwrite::ports::TrainingState;
use serde_json::Value;
use trainer::LOG_FILE;

use super::home::Found;
use crate::cli::TrainLogsArgs;
use crate::fault::{Exit, Fault};
use crate::output::{harmless, put};

/// How often a followed log is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// Shows.
pub async fn run(config_file: Option<&Path>, args: &TrainLogsArgs, out: &mut dyn Write) -> Result<Exit, Fault> {
    let found = Found::named(config_file, &args.place, false).await?;
    let log = found.out.as_deref().map(|out| out.join(LOG_FILE)).filter(|log| log.is_file());
    let Some(log) = log else {
        return Err(Fault::new("not_found", Exit::NotFound, format!("{} has no log on this machine", args.place))
            .help("look on the machine of its trainer, where its folder is"));
    };
    let unreadable = |error: std::io::Error| {
        Fault::new("storage", Exit::Unreachable, format!("{} cannot be read", log.display())).because(error)
    };
    let mut at = 0;
    let text = read_from(&log, &mut at).map_err(unreadable)?;
    let lines: Vec<&str> = text.lines().collect();
    let first = if args.lines == 0 { 0 } else { lines.len().saturating_sub(args.lines) };
    show(&lines[first..], args.json, out)?;
    let mut follows = args.follow;
    while follows {
        follows = found.view().await?.training.state == TrainingState::Running;
        let text = read_from(&log, &mut at).map_err(unreadable)?;
        show(&text.lines().collect::<Vec<_>>(), args.json, out)?;
        if follows {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
    found.jobs.close().await;
    Ok(Exit::Done)
}

/// The whole lines that came after `at`, which moves on behind them.
fn read_from(log: &Path, at: &mut u64) -> std::io::Result<String> {
    let mut file = std::fs::File::open(log)?;
    file.seek(SeekFrom::Start(*at))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1));
    *at += bytes.len() as u64;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn show(lines: &[&str], as_json: bool, out: &mut dyn Write) -> Result<(), Fault> {
    for line in lines {
        let text = if as_json { (*line).to_owned() } else { readable(line) };
        put(out, &format!("{text}\n"))?;
    }
    Ok(())
}

/// A kept line for people.
fn readable(line: &str) -> String {
    let Ok(entry) = serde_json::from_str::<Value>(line) else { return harmless(line) };
    let (at, from) = (entry["at"].as_str().unwrap_or_default(), entry["from"].as_str().unwrap_or_default());
    let said = match &entry["said"] {
        Value::String(text) => text.clone(),
        Value::Object(event) => {
            let fields =
                event.iter().filter(|(name, value)| !matches!(name.as_str(), "schema" | "event") && !value.is_null());
            let fields: Vec<String> = fields.map(|(name, value)| format!("{name}={value}")).collect();
            format!("{} {}", event.get("event").and_then(Value::as_str).unwrap_or_default(), fields.join(" "))
        }
        other => other.to_string(),
    };
    format!("{at} {from:<7} {}", harmless(&said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_and_texts_are_readable() {
        let event =
            r#"{"at":"T","from":"backend","said":{"schema":1,"event":"progress","step":3,"loss":0.5,"x":null}}"#;
        assert_eq!(readable(event), "T backend progress step=3 loss=0.5");
        assert_eq!(readable(r#"{"at":"T","from":"stderr","said":"a \u001b[2J"}"#), "T stderr  a \u{fffd}[2J");
        assert_eq!(readable("torn"), "torn");
    }

    #[test]
    fn a_line_that_is_being_written_waits() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        std::fs::write(&log, "one\ntw").unwrap();
        let mut at = 0;
        assert_eq!(read_from(&log, &mut at).unwrap(), "one\n");
        std::fs::write(&log, "one\ntwo\n").unwrap();
        assert_eq!((read_from(&log, &mut at).unwrap().as_str(), at), ("two\n", 8));
    }
}
