//! Reading all that prompts are made from.

use agentwrite::continuation::PART;
use agentwrite::ids::SampleId;
use agentwrite::ports::PackedSample;
use agentwrite::sample::{Candidate, SampleContext, Section};
use agentwrite::task::{KeptAnswer, Outcome, TaskKey};

use super::rows::{Attempt, Sample};
use super::state::{RunData, State};

/// The context of a task's subject, with the candidates for that task.
pub(super) fn load_sample(state: &State, key: &TaskKey) -> Option<SampleContext> {
    let run = state.runs.get(&key.run)?;
    let (id, sample) = run.samples.get_key_value(&SampleId::new(key.subject.clone()))?;
    let mut context = context(run, id, sample);
    context.candidates = answers(run, key, |kept| kept.candidate);
    context.parts = answers(run, key, |kept| kept.gate == PART);
    context.last_prompt_tokens = last_prompt(run, key, sample.revision);
    Some(context)
}

/// Input, plan and sections of the standing revision.
pub(super) fn context(run: &RunData, id: &SampleId, sample: &Sample) -> SampleContext {
    SampleContext {
        run: run.id.clone(),
        sample: id.clone(),
        ordinal: sample.ordinal,
        input: sample.input.clone(),
        revision: sample.revision,
        config_version: sample.config_version,
        model: sample.model.clone(),
        plan: run.plans.get(&(id.clone(), sample.revision)).map(|standing| standing.plan.clone()),
        sections: run.standing(id, sample.revision).map(|(place, section)| read(place, section)).collect(),
        candidates: Vec::new(),
        parts: Vec::new(),
        last_prompt_tokens: None,
    }
}

/// A judged sample, for gates and rows.
pub(super) fn packed(run: &RunData, id: &SampleId, sample: &Sample) -> Option<PackedSample> {
    Some(PackedSample {
        context: context(run, id, sample),
        verdict: sample.verdict.clone()?,
        config_version: sample.config_version,
    })
}

fn read(place: u32, section: &super::rows::StandingSection) -> Section {
    Section {
        place,
        text: section.text.clone(),
        words: section.words,
        flags: section.flags.clone(),
        attempt: section.attempt.clone(),
    }
}

/// Answers to this task, made for its standing context.
fn answers(run: &RunData, key: &TaskKey, wanted: fn(&KeptAnswer) -> bool) -> Vec<Candidate> {
    let Some(task) = run.tasks.get(key) else { return Vec::new() };
    let answers = run.answers.get(&key.subject).map_or(&[][..], Vec::as_slice);
    answers
        .iter()
        .filter(|answer| answer.key == *key && answer.context_hash == task.context_hash && wanted(&answer.kept))
        .map(|answer| Candidate { attempt: answer.attempt.clone(), raw: answer.kept.raw.clone() })
        .collect()
}

/// Prompt tokens of the last committed call of the same kind: a plan's prompt is no part of the sections' chain, and a
/// continuing call's holds more than the chain.
fn last_prompt(run: &RunData, key: &TaskKey, revision: u32) -> Option<u64> {
    let tries = run.tries.get(&key.subject)?;
    let attempts = || tries.iter().rev().filter_map(|id| run.attempts.get(id));
    let is_part = |attempt: &&Attempt| {
        attempt.key.kind == key.kind && attempt.key.revision == revision && attempt.outcome == Outcome::Part
    };
    let continued: Vec<u32> = attempts().filter(is_part).map(|attempt| attempt.key.place).collect();
    attempts().find_map(|attempt| {
        let same = attempt.key.kind == key.kind && attempt.key.revision == revision;
        let end = attempt.end.as_ref().filter(|_| same && attempt.outcome == Outcome::Committed)?;
        if continued.contains(&attempt.key.place) {
            return None;
        }
        (end.usage.prompt_tokens > 0).then_some(end.usage.prompt_tokens)
    })
}
