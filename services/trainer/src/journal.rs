//! What a job leaves for people in its folder: `log.jsonl`, every line of its backend with the time, and `progress.json`, where
//! it stands now. Neither decides anything.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use agentwrite::ids::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::TrainError;

/// The log's file name.
pub const LOG_FILE: &str = "log.jsonl";
/// The file name of where the job stands.
pub const PROGRESS_FILE: &str = "progress.json";

/// As much of a log's end as is looked at.
const TAIL: u64 = 1 << 20;

/// What a trainer is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// More shards have to come first, or a trainer that takes the job up.
    #[default]
    Waiting,
    /// Shards are fetched and verified.
    Fetching,
    /// The backend loads and plans.
    Starting,
    /// Steps are made.
    Training,
    /// The backend writes its last checkpoint.
    Stopping,
    /// It is over for now.
    Ended,
}

impl Phase {
    /// For people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Fetching => "fetching",
            Self::Starting => "starting",
            Self::Training => "training",
            Self::Stopping => "stopping",
            Self::Ended => "ended",
        }
    }
}

/// Where a job stands.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Standing {
    /// When this was so.
    pub at: Timestamp,
    /// What the trainer is doing.
    pub phase: Phase,
    /// Why it waits, or what the backend warns of.
    pub note: Option<String>,
    /// The round, from 1.
    pub round: u32,
    /// Shards of the round.
    pub shards: u64,
    /// Rows of the round, an epoch.
    pub rows: u64,
    /// Epochs.
    pub epochs: u32,
    /// Steps of the rounds before.
    pub start_step: u64,
    /// Step of the round.
    pub step: u64,
    /// Steps of the round, once planned.
    pub of: Option<u64>,
    /// The epoch of that step.
    pub epoch: Option<u32>,
    /// The last step's loss.
    pub loss: Option<f64>,
    /// The last step's rate.
    pub learning_rate: Option<f64>,
    /// Tokens trained in the round.
    pub tokens: u64,
    /// Tokens a second.
    pub tokens_per_second: Option<f64>,
    /// Peak memory of the busiest device.
    pub memory_bytes: Option<u64>,
    /// Step of the round in the last checkpoint.
    pub checkpoint: Option<u64>,
    /// Starts of the backend, over the whole job.
    pub session: u32,
    /// Steps that were done again, over the whole job.
    pub redone_steps: u64,
    /// Lines of the backend that were no events.
    pub other_lines: u64,
}

/// Where a line comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// The backend's standard output.
    Backend,
    /// Its standard error.
    Stderr,
    /// The trainer.
    Trainer,
}

/// Writes both files. A folder that cannot be written to is no reason to stop training: the store has what counts.
#[derive(Debug)]
pub(crate) struct Journal {
    log: Option<File>,
    progress: PathBuf,
}

impl Journal {
    pub fn open(out: &Path) -> Result<Self, TrainError> {
        let path = out.join(LOG_FILE);
        let log = File::options().create(true).append(true).open(&path).map_err(TrainError::io("open", &path))?;
        Ok(Self { log: Some(log), progress: out.join(PROGRESS_FILE) })
    }

    /// One more line.
    pub fn line(&mut self, from: Speaker, line: &str, now: Timestamp) {
        let from = match from {
            Speaker::Backend => "backend",
            Speaker::Stderr => "stderr",
            Speaker::Trainer => "trainer",
        };
        // An event stands as what it is, so that it can be read from the log as from the backend.
        let value = serde_json::from_str::<Value>(line).ok().filter(Value::is_object);
        let said = value.unwrap_or_else(|| Value::String(line.to_owned()));
        let entry = json!({"at": rfc3339(now), "from": from, "said": said});
        let written = self.log.as_mut().map(|log| log.write_all(format!("{entry}\n").as_bytes()));
        if let Some(Err(error)) = written {
            tracing::warn!(%error, "the log of the training cannot be written any more");
            self.log = None;
        }
    }

    /// Where the job stands now. As a whole, but not for ever: a power cut may take it.
    pub fn progress(&self, standing: &Standing) {
        let staged = self.progress.with_extension("json.tmp");
        let text = serde_json::to_vec(standing).expect("plain values");
        let written = fs::write(&staged, text).and_then(|()| fs::rename(&staged, &self.progress));
        if let Err(error) = written {
            tracing::debug!(%error, "where the training stands cannot be written down");
        }
    }
}

/// Where a job in this folder stood last, if anybody wrote it down.
pub fn last_standing(out: &Path) -> Option<Standing> {
    serde_json::from_slice(&fs::read(out.join(PROGRESS_FILE)).ok()?).ok()
}

/// What the trainer says first of each session.
pub(crate) const SESSION: &str = "session ";

/// The last step of its round that the last session in this folder is known to have made: its line may have been kept and where
/// the job stands not yet.
pub(crate) fn last_step(out: &Path) -> Option<u64> {
    let mut file = File::open(out.join(LOG_FILE)).ok()?;
    let size = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(TAIL))).ok()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let entries = text.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let of_session = entries.take_while(|entry| {
        entry["from"] != "trainer" || !entry["said"].as_str().is_some_and(|said| said.starts_with(SESSION))
    });
    of_session.filter(|entry| entry["said"]["event"] == "progress").find_map(|entry| entry["said"]["step"].as_u64())
}

pub(crate) fn rfc3339(time: Timestamp) -> String {
    let time = chrono::DateTime::from_timestamp_millis(time.0).unwrap_or_default();
    time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_knows_the_last_step_of_the_last_session() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path();
        assert_eq!(last_step(out), None);
        let mut journal = Journal::open(out).unwrap();
        let step = |step: u64| format!("{{\"schema\":1,\"event\":\"progress\",\"step\":{step}}}");
        let mut say = |from: Speaker, line: &str| journal.line(from, line, Timestamp(0));
        say(Speaker::Trainer, "session 1 of round 1 goes on from the start");
        say(Speaker::Backend, &step(1));
        say(Speaker::Backend, &step(2));
        say(Speaker::Stderr, "session 9 of something else");
        say(Speaker::Backend, "text");
        assert_eq!(last_step(out), Some(2));
        say(Speaker::Trainer, "session 2 of round 1 goes on from step 1");
        assert_eq!(last_step(out), None);
        // Torn by a power cut.
        File::options().append(true).open(out.join(LOG_FILE)).unwrap().write_all(b"{\"at\":").unwrap();
        assert_eq!(last_step(out), None);
    }
}
