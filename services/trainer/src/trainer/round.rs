//! One round: its shards fetched, backends started until it is done, each from the newest checkpoint.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use agentwrite::ports::{TrainingCheckpoint, TrainingRound, TrainingShard};
use serde_json::json;

use super::unrecorded::newest_unrecorded;
use super::{Trainer, Work, detail_of, start_of};
use crate::TrainError;
use crate::backend::Ended;
use crate::fetch::fetch_all;
use crate::files::{blocking, replace};
use crate::journal::{Phase, Standing};
use crate::recipe::{recipe, round_dir};
use crate::rounds::RoundDetail;
use crate::source::Offered;
use crate::spec::TrainingSpec;

/// The longest pause before a restart.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

impl Trainer {
    /// Trains a round to its end. `false` if it was stopped.
    pub(super) async fn train(
        &self,
        fence: i64,
        spec: &TrainingSpec,
        round: &TrainingRound,
    ) -> Result<bool, TrainError> {
        let detail = detail_of(round)?;
        let rows = round.shards.iter().map(|shard| shard.rows).sum();
        self.change(true, |standing| {
            *standing = Standing {
                phase: Phase::Fetching,
                round: round.number,
                shards: round.shards.len() as u64,
                rows,
                epochs: round.epochs,
                session: standing.session,
                redone_steps: standing.redone_steps,
                other_lines: standing.other_lines,
                ..Standing::default()
            };
        });
        let paths = self.fetch(round, &detail).await?;
        let view = self.view().await?;
        let start = start_of(&view, round.number);
        let recipe = recipe(&self.settings.job, spec, round, &detail, &start, &paths);
        let names = round.shards.iter().map(|shard| (shard.name.as_str(), shard.sha256.as_str())).collect();
        let work = Work { fence, spec, round, start: &start, names };
        let folder = round_dir(&spec.out, round.number);
        std::fs::create_dir_all(&folder).map_err(TrainError::io("create", &folder))?;
        let (mut idle, mut damaged) = (0, BTreeSet::new());
        loop {
            if self.settings.stop.is_cancelled() || self.settings.abort.is_cancelled() {
                return Ok(false);
            }
            let from = self.resume_point(&work, &damaged).await?;
            let resumes = from.as_ref().filter(|checkpoint| checkpoint.round == round.number);
            let mut recipe = recipe.clone();
            recipe.insert("resume_from".to_owned(), json!(resumes.map(|checkpoint| &checkpoint.path)));
            let path = folder.join("recipe.json");
            replace(&path, &serde_json::to_vec_pretty(&recipe).expect("plain values"))?;
            let (ended, learned) = self.session(&work, from.as_ref(), &path).await?;
            if learned.checkpoints > 0 {
                idle = 0;
            }
            let why = match ended {
                Ended::Done(done) => {
                    self.close(&work, &done, &learned).await?;
                    return Ok(true);
                }
                Ended::Stopped if self.settings.stop.is_cancelled() || self.settings.abort.is_cancelled() => {
                    return Ok(false);
                }
                Ended::Error { code, .. } if code == "bad_checkpoint" && resumes.is_some() => {
                    damaged.extend(resumes.map(|checkpoint| checkpoint.number));
                    "its checkpoint is damaged; going back to the one before".to_owned()
                }
                Ended::Error { code, message } if code != "internal" => {
                    return Err(TrainError::Backend { code, message });
                }
                Ended::Error { message, .. } => message,
                Ended::Stopped => "it was stopped by somebody else".to_owned(),
                Ended::Crashed(_) if self.settings.stop.is_cancelled() => return Ok(false),
                Ended::Crashed(how) => how,
            };
            idle += 1;
            if idle > self.settings.backend.restarts {
                return Err(TrainError::BackendCrashes { times: idle, last: why });
            }
            tracing::warn!(round = round.number, why, "the backend is started again");
            self.say(&format!("the backend is started again: {why}"));
            let pause = self.settings.backend.restart_pause * (idle - 1) * 2;
            tokio::select! {
                () = self.settings.stop.cancelled() => {}
                () = self.settings.abort.cancelled() => {}
                () = tokio::time::sleep(pause.min(LONGEST_PAUSE)) => {}
            }
        }
    }

    /// Every shard of the round on this machine, verified.
    async fn fetch(
        &self,
        round: &TrainingRound,
        detail: &RoundDetail,
    ) -> Result<BTreeMap<String, PathBuf>, TrainError> {
        let offered = |shard: &TrainingShard| {
            let known = detail.shards.iter().find(|known| known.sha256 == shard.sha256)?;
            Some(Offered {
                name: shard.name.clone(),
                format: known.format.clone(),
                sha256: shard.sha256.clone(),
                rows: shard.rows,
                bytes: known.bytes,
            })
        };
        let shards: Vec<Offered> = round.shards.iter().filter_map(offered).collect();
        fetch_all(&*self.parts.source, &self.parts.cache, &shards).await
    }

    /// The checkpoint that the next session goes on from: the newest that is whole, adopted if it was written and never
    /// recorded; none = from the start.
    async fn resume_point(
        &self,
        work: &Work<'_>,
        damaged: &BTreeSet<u32>,
    ) -> Result<Option<TrainingCheckpoint>, TrainError> {
        let mut view = self.view().await?;
        let standing = view.standing().filter(|it| it.round == work.round.number).map_or(0, |it| it.step);
        let session = view.sessions.iter().rev().find(|session| session.round == work.round.number);
        if let (Some(session), true) = (session, damaged.is_empty()) {
            let checkpoints = round_dir(&work.spec.out, work.round.number).join("checkpoints");
            let order =
                view.rounds.iter().find(|it| it.number == work.round.number).and_then(|it| it.order_hash.clone());
            let least = standing.saturating_sub(work.start.step);
            let found = blocking(move || newest_unrecorded(&checkpoints, least, order.as_deref())).await?;
            if let Some(said) = found {
                tracing::info!(step = said.step, "a checkpoint that nobody had recorded is whole");
                self.record(work, session.number, &said, None, None).await?;
                view = self.view().await?;
            }
        }
        let whole = |it: &&TrainingCheckpoint| {
            let usable = !it.superseded && it.round <= work.round.number && !damaged.contains(&it.number);
            // One of an earlier round is that round's last: the backend looks at it.
            usable && (it.round < work.round.number || Path::new(&it.path).is_dir())
        };
        Ok(view.checkpoints.iter().rev().find(whole).cloned())
    }
}
