//! Samples without their texts.

use agentwrite::ids::SampleId;
use agentwrite::ports::{SampleOutline, SectionOutline};

use super::report::attempts;
use super::state::RunData;

/// Those samples that are there, in the order given.
pub(super) fn outlines(run: &RunData, samples: &[SampleId]) -> Vec<SampleOutline> {
    samples.iter().filter_map(|id| outline(run, id)).collect()
}

fn outline(run: &RunData, id: &SampleId) -> Option<SampleOutline> {
    let sample = run.samples.get(id)?;
    let plan = run.plans.get(&(id.clone(), sample.revision));
    let sections = run.standing(id, sample.revision).map(|(place, section)| SectionOutline {
        place,
        words: section.words,
        flags: section.flags.clone(),
    });
    Some(SampleOutline {
        sample: id.clone(),
        ordinal: sample.ordinal,
        state: sample.state,
        code: sample.code.map(|code| code.as_str().to_owned()),
        generation: sample.generation,
        revision: sample.revision,
        asked: sample.input.length,
        steps: plan.map(|standing| standing.plan.steps.iter().map(|step| step.words).collect()),
        sections: sections.collect(),
        words: sample.words,
        length_score: sample.verdict.as_ref().and_then(|verdict| verdict.length_score),
        attempts: attempts(run, id).filter(|it| it.generation == sample.generation).collect(),
    })
}
