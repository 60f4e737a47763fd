//! `[train]`: how the trainer runs its backend, and where it keeps shards.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use trainer::{BackendSettings, Cache};

/// `[train]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainSettings {
    /// The backend's command line; `{command}` and `{recipe}` in it are replaced, or else `run --recipe FILE` is appended.
    pub backend: Vec<String>,
    /// Folder of detached jobs, on the machine of their trainer; each has one of its own in it.
    pub output: String,
    /// Folder of fetched shards, of one trainer at a time; empty = `cache` in the job's folder.
    pub cache: String,
    /// Most that it may hold, in GB (10^9 bytes).
    pub cache_gb: f64,
    /// A backend that says nothing for so long is killed and started again.
    pub silence_seconds: f64,
    /// How long it may take to write its last checkpoint.
    pub stop_grace_seconds: f64,
    /// Restarts without a new checkpoint after which the job fails.
    pub restarts: u32,
    /// Pause before the second restart in a row; grows with further ones.
    pub restart_seconds: f64,
}

impl Default for TrainSettings {
    fn default() -> Self {
        Self {
            backend: ["python3", "-m", "longhand_trainer"].map(str::to_owned).to_vec(),
            output: "longhand-out/training".to_owned(),
            cache: String::new(),
            cache_gb: 50.0,
            silence_seconds: 900.0,
            stop_grace_seconds: 300.0,
            restarts: 5,
            restart_seconds: 5.0,
        }
    }
}

fn seconds(value: f64) -> Duration {
    Duration::from_secs_f64(value.clamp(0.0, 86_400.0))
}

impl TrainSettings {
    /// How long a stopped backend may take.
    pub fn stop_grace(&self) -> Duration {
        seconds(self.stop_grace_seconds)
    }

    /// How the backend is run. It sees the environment of this process, but none of its addresses and keys.
    pub fn backend(&self) -> BackendSettings {
        let hidden = super::environment().into_keys().filter(|name| is_hidden(name)).collect();
        BackendSettings {
            command: self.backend.clone(),
            silence: seconds(self.silence_seconds).max(Duration::from_millis(50)),
            stop_grace: self.stop_grace(),
            restarts: self.restarts,
            restart_pause: seconds(self.restart_seconds),
            hidden,
        }
    }

    /// The cache of a job.
    pub fn cache(&self, out: &Path) -> Cache {
        let folder = if self.cache.is_empty() { out.join("cache") } else { PathBuf::from(&self.cache) };
        Cache::new(folder, (self.cache_gb.max(0.0) * 1e9) as u64)
    }
}

/// What a backend has no use for: our addresses with their passwords, keys of endpoints and buckets.
fn is_hidden(name: &str) -> bool {
    let ours = ["LONGHAND__", "LONGHAND_CRASH", "AWS_", "OPENAI_"];
    ours.iter().any(|prefix| name.starts_with(prefix)) || name.ends_with("_API_KEY")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_gets_no_key_of_ours() {
        for name in ["LONGHAND__DATABASE__URL", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "DEEPSEEK_API_KEY"] {
            assert!(is_hidden(name), "{name}");
        }
        for name in ["PATH", "HF_TOKEN", "CUDA_VISIBLE_DEVICES", "LONGHAND_WATCH_STDIN"] {
            assert!(!is_hidden(name), "{name}");
        }
    }
}
