//! One life of a backend: started, heard, and what it says recorded.

use std::collections::BTreeSet;
use std::path::Path;

use agentwrite::ports::{RecordCheckpoint, TrainingCheckpoint, TrainingPosition};
use serde_json::json;

use super::{Learned, Trainer, TrainerSettings, Work};
use crate::TrainError;
use crate::backend::{Backend, Ended, Ends, Heard};
use crate::files::sha256_hex;
use crate::journal::{Phase, SESSION, Speaker};
use crate::protocol::{CheckpointSaid, Done, Event, Hello, Pass};

impl Trainer {
    /// One life of a backend.
    pub(super) async fn session(
        &self,
        work: &Work<'_>,
        from: Option<&TrainingCheckpoint>,
        recipe: &Path,
    ) -> Result<(Ended, Learned), TrainError> {
        let TrainerSettings { job, leases, backend, stop, abort, .. } = &self.settings;
        let (fence, number) = (work.fence, work.round.number);
        let parent = from.map(|checkpoint| checkpoint.number);
        // The store counts from what was seen last, so that what is done again can be told.
        let seen = self.seen();
        if seen.round == number {
            let renew = async || self.parts.store.renew_training(job, fence, leases.lease, seen, self.now()).await;
            self.held(renew).await?;
        }
        let session =
            self.held(async || self.parts.store.begin_session(job, fence, number, parent, self.now()).await).await?;
        let step = from.map_or(0, |checkpoint| checkpoint.step);
        self.see(TrainingPosition { round: number, step });
        let resumed = from.filter(|checkpoint| checkpoint.round == number);
        let step = resumed.map_or(0, |checkpoint| checkpoint.step.saturating_sub(work.start.step));
        self.change(true, |standing| {
            standing.phase = Phase::Starting;
            standing.start_step = work.start.step;
            standing.step = step;
            standing.checkpoint = resumed.map(|_| step);
            standing.session = session.number;
            standing.redone_steps += session.redone_steps;
            standing.note = None;
        });
        let at = work.start.step + step;
        let whence = if from.is_some() { format!("step {at}") } else { "the start".to_owned() };
        self.say(&format!("{SESSION}{} of round {number} goes on from {whence}", session.number));
        if session.redone_steps > 0 {
            tracing::warn!(steps = session.redone_steps, "steps after the last checkpoint are done again");
            self.say(&format!("{} steps after the last checkpoint are done again", session.redone_steps));
        }
        let child = Backend::start(backend, "run", recipe, Some(&work.spec.out))?;
        let ends = Ends { stop: stop.clone(), abort: abort.child_token() };
        let gone = ends.abort.clone();
        let mut learned = Learned::default();
        let ended = {
            let hears = async |heard| self.hear(work, session.number, heard, &mut learned).await;
            let attended = child.attend(&ends, hears);
            tokio::pin!(attended);
            tokio::select! {
                biased;
                () = self.lost.cancelled() => {
                    gone.cancel();
                    attended.await?;
                    return Err(TrainError::Lost(job.clone()));
                }
                ended = &mut attended => ended?,
            }
        };
        Ok((ended, learned))
    }

    async fn hear(&self, work: &Work<'_>, session: u32, heard: Heard, learned: &mut Learned) -> Result<(), TrainError> {
        let (from, line) = match &heard {
            Heard::Event(_, line) | Heard::Other(line) => (Speaker::Backend, line),
            Heard::Stderr(line) => (Speaker::Stderr, line),
        };
        self.journal().line(from, line, self.now());
        let event = match heard {
            Heard::Event(event, _) => *event,
            Heard::Other(_) => {
                self.change(false, |standing| standing.other_lines += 1);
                return Ok(());
            }
            Heard::Stderr(_) => return Ok(()),
        };
        match event {
            Event::Hello(hello) => learned.hello = Some(hello),
            Event::Plan(plan) => {
                self.check_order(work, Some(&plan.order_sha256)).await?;
                self.change(true, |standing| {
                    standing.of = Some(plan.steps);
                    standing.phase = Phase::Training;
                });
            }
            Event::Progress(progress) => {
                self.see(TrainingPosition { round: work.round.number, step: work.start.step + progress.step });
                self.change(false, |standing| {
                    standing.phase = if self.settings.stop.is_cancelled() { Phase::Stopping } else { Phase::Training };
                    standing.step = progress.step;
                    standing.of = Some(progress.of);
                    standing.epoch = progress.epoch;
                    standing.loss = Some(progress.loss);
                    standing.learning_rate = Some(progress.learning_rate);
                    standing.tokens = progress.tokens;
                    standing.tokens_per_second = Some(progress.tokens_per_second);
                    standing.memory_bytes = progress.memory_bytes;
                });
            }
            Event::Checkpoint(said) => {
                self.check_order(work, said.order_sha256.as_deref()).await?;
                self.record(work, session, &said, learned.hello.as_ref(), None).await?;
                learned.checkpoints += 1;
                self.change(true, |standing| {
                    standing.step = standing.step.max(said.step);
                    standing.checkpoint = Some(said.step);
                });
            }
            Event::Warning { message } => {
                tracing::warn!("backend: {message}");
                self.change(true, |standing| standing.note = Some(message));
            }
            Event::Done(_) | Event::Stopped { .. } | Event::Error { .. } => {}
        }
        Ok(())
    }

    /// The order is frozen by the first plan of a round; no other may follow.
    async fn check_order(&self, work: &Work<'_>, said: Option<&str>) -> Result<(), TrainError> {
        let Some(said) = said else { return Ok(()) };
        let (job, round) = (&self.settings.job, work.round.number);
        let frozen = self.held(async || self.parts.store.freeze_order(job, work.fence, round, said).await).await?;
        if frozen == said {
            return Ok(());
        }
        Err(TrainError::OrderChanged { round, frozen, found: said.to_owned() })
    }

    /// Records a checkpoint and what is done with it.
    pub(super) async fn record(
        &self,
        work: &Work<'_>,
        session: u32,
        said: &CheckpointSaid,
        hello: Option<&Hello>,
        closing: Option<&Done>,
    ) -> Result<(), TrainError> {
        let passes = |pass: &Pass| Some((pass.epoch, (*work.names.get(pass.name.as_str())?).to_owned()));
        let mut detail = json!({
            "tokens": said.tokens, "target_tokens": said.target_tokens, "loss": said.loss,
            "index_sha256": said.index_sha256, "backend": hello,
        });
        if let Some(done) = closing {
            detail["losses"] = done.losses.clone();
            detail["model_path"] = json!(done.model_path);
            detail["model_sha256"] = json!(done.model_sha256);
        }
        let record = RecordCheckpoint {
            session,
            round: work.round.number,
            step: work.start.step + said.step,
            path: said.path.clone(),
            done: said.shards.iter().filter_map(passes).collect(),
            closes_round: closing.is_some(),
            detail,
        };
        let job = &self.settings.job;
        self.held(async || self.parts.store.record_checkpoint(job, work.fence, &record, self.now()).await).await?;
        Ok(())
    }

    /// The round is done, if the backend went through all of it.
    pub(super) async fn close(&self, work: &Work<'_>, done: &Done, learned: &Learned) -> Result<(), TrainError> {
        self.check_order(work, done.order_sha256.as_deref()).await?;
        let said: BTreeSet<&Pass> = done.shards.iter().collect();
        for shard in &work.round.shards {
            for epoch in 1..=work.round.epochs {
                if !said.contains(&Pass { name: shard.name.clone(), epoch }) {
                    let missing = format!("{} in epoch {epoch}", shard.name);
                    return Err(TrainError::Incomplete { round: work.round.number, missing });
                }
            }
        }
        let view = self.view().await?;
        let session = view.sessions.last().map_or(0, |session| session.number);
        let index = Path::new(&done.checkpoint).join("index.json");
        let last = CheckpointSaid {
            step: done.steps,
            path: done.checkpoint.clone(),
            index_sha256: std::fs::read(index).ok().map(|index| sha256_hex(&index)),
            order_sha256: done.order_sha256.clone(),
            shards: done.shards.clone(),
            tokens: done.tokens,
            target_tokens: done.target_tokens,
            loss: done.losses["last"].as_f64(),
        };
        self.record(work, session, &last, learned.hello.as_ref(), Some(done)).await?;
        self.change(true, |standing| {
            standing.step = done.steps;
            standing.checkpoint = Some(done.steps);
        });
        Ok(())
    }
}
