//! The invariants, as far as the store alone can tell: I1, I3, I4, I5, I6, I8. (I2 needs the queue, I7 the files.)

use std::collections::BTreeMap;

use agentwrite::chain;
use agentwrite::ids::{Hash, SampleId};
use agentwrite::ports::Totals;
use agentwrite::sample::SampleState;
use agentwrite::task::{Kind, Outcome, TaskKey};

use super::ledger;
use super::rows::{Sample, StandingSection};
use super::state::{RunData, count_state};

/// What was found, each `(invariant, subject, what)`.
#[derive(Default)]
struct Findings(Vec<(String, String, String)>);

impl Findings {
    fn check(&mut self, holds: bool, invariant: &str, subject: impl ToString, what: impl FnOnce() -> String) {
        if !holds {
            self.0.push((invariant.to_owned(), subject.to_string(), what()));
        }
    }
}

/// Looks at a whole run.
pub(super) fn violations(run: &RunData) -> Vec<(String, String, String)> {
    let mut found = Findings::default();
    for (id, sample) in run.in_order() {
        places(run, id, sample, &mut found);
        answered_for(run, id, sample, &mut found);
        shards(run, id, sample, &mut found);
        live_tasks(run, id, sample, &mut found);
        chains(run, id, sample, &mut found);
    }
    one_commit_each(run, &mut found);
    counters(run, &mut found);
    ledger_holds(run, &mut found);
    found.0
}

/// I1: what is counted is there; a written sample has all places; serial leaves no gap.
fn places(run: &RunData, id: &SampleId, sample: &Sample, found: &mut Findings) {
    let standing: Vec<(u32, &StandingSection)> = run.standing(id, sample.revision).collect();
    let plan = run.plans.get(&(id.clone(), sample.revision));
    let planned = plan.map_or(0, |plan| plan.plan.steps.len() as u32);
    let words: u64 = standing.iter().map(|(_, section)| u64::from(section.words)).sum();
    found.check(sample.filled as usize == standing.len(), "I1", id, || {
        format!("{} places counted as filled, {} sections stand", sample.filled, standing.len())
    });
    found.check(sample.words == words, "I1", id, || format!("{} words counted, {words} stand", sample.words));
    found.check(sample.places == planned, "I1", id, || format!("{} places, {planned} steps", sample.places));
    let has_all = sample.places > 0 && (0..sample.places).all(|place| standing.iter().any(|(at, _)| *at == place));
    let finished = matches!(sample.state, SampleState::Written | SampleState::Packed | SampleState::Rejected);
    found.check(has_all || !finished, "I1", id, || format!("{} without all sections", sample.state.as_str()));
    let no_gap = standing.iter().enumerate().all(|(index, (place, _))| index as u32 == *place);
    found.check(no_gap || run.is_parallel(sample), "I1", id, || "a gap between sections".to_owned());
}

/// I1: a committed attempt answers for whatever stands.
fn answered_for(run: &RunData, id: &SampleId, sample: &Sample, found: &mut Findings) {
    let plan = run.plans.get(&(id.clone(), sample.revision)).map(|plan| &plan.attempt);
    let sections = run.standing(id, sample.revision).map(|(_, section)| &section.attempt);
    for attempt in plan.into_iter().chain(sections) {
        let outcome = run.outcome(attempt);
        found.check(outcome == Some(Outcome::Committed), "I1", id, || {
            format!("what stands is of attempt {attempt}, which is {outcome:?}")
        });
    }
}

/// I1: a place has at most one attempt whose answer stands.
fn one_commit_each(run: &RunData, found: &mut Findings) {
    let mut committed: BTreeMap<&TaskKey, u32> = BTreeMap::new();
    for attempt in run.attempts.values().filter(|attempt| attempt.outcome == Outcome::Committed) {
        *committed.entry(&attempt.key).or_default() += 1;
    }
    for (key, count) in committed {
        found.check(count == 1, "I1", &key.subject, || {
            format!("{count} committed attempts for {} {}", key.kind.as_str(), key.place)
        });
    }
}

/// I3: packed samples and members of closed shards are the same, at the same revision.
fn shards(run: &RunData, id: &SampleId, sample: &Sample, found: &mut Findings) {
    let member = run.members.get(id);
    found.check(member.is_some() == (sample.state == SampleState::Packed), "I3", id, || {
        format!("{}, member of {:?}", sample.state.as_str(), member.map(|member| member.range))
    });
    if let Some(member) = member {
        let same = member.revision == sample.revision && member.range == sample.range;
        found.check(same, "I3", id, || "its shard holds another revision or range".to_owned());
        found.check(run.shards.contains_key(&member.range), "I3", id, || "its shard is not closed".to_owned());
    }
}

/// I5: an admitted sample has exactly one live task (parallel: one per empty place), all others none.
fn live_tasks(run: &RunData, id: &SampleId, sample: &Sample, found: &mut Findings) {
    let live = run.live_of(id);
    let wanted = match sample.state {
        SampleState::Writing if run.is_parallel(sample) => sample.places.saturating_sub(sample.filled) as usize,
        SampleState::Planning | SampleState::Writing => 1,
        _ => 0,
    };
    let kind = if sample.state == SampleState::Planning { Kind::PLAN } else { Kind::SECTION };
    let fit = live.iter().all(|key| key.kind == kind && key.revision == sample.revision);
    found.check(live.len() == wanted && fit, "I5", id, || {
        format!("{} with {} live tasks, {wanted} wanted", sample.state.as_str(), live.len())
    });
}

/// I8: the chain recomputes from input, configuration, plan and texts, and live tasks continue it.
fn chains(run: &RunData, id: &SampleId, sample: &Sample, found: &mut Findings) {
    let text = run.config_of(sample).text.hash();
    let root = chain::root(sample.input.key(), text, sample.model.as_deref(), sample.revision);
    let mut head: Option<Hash> = None;
    if let Some(standing) = run.plans.get(&(id.clone(), sample.revision)) {
        let after_plan = chain::with_plan(root, &standing.plan);
        found.check(standing.chain == after_plan, "I8", id, || "the plan's chain does not recompute".to_owned());
        let mut chain = after_plan;
        for (place, section) in run.standing(id, sample.revision) {
            if !run.is_parallel(sample) {
                chain = chain::with_section(chain, &section.text);
            }
            found.check(section.chain == chain, "I8", id, || format!("the chain breaks at section {}", place + 1));
        }
        head = Some(chain);
    }
    found.check(sample.chain == head, "I8", id, || "the head is not the chain's".to_owned());
    for key in run.live_of(id) {
        let context = run.tasks.get(&key).map(|task| task.context_hash);
        found.check(context == Some(head.unwrap_or(root)), "I8", id, || "a live task has another context".to_owned());
    }
}

/// I4: counted failures and crashes keep to the limits of the run.
fn counters(run: &RunData, found: &mut Findings) {
    let attempts = run.configs.iter().map(|config| config.attempts).max().unwrap_or(0);
    let crashes = run.configs.iter().map(|config| config.crash_limit).max().unwrap_or(0);
    for (key, task) in &run.tasks {
        found.check(task.failures <= attempts, "I4", &key.subject, || {
            format!("{} failures counted, {attempts} allowed", task.failures)
        });
        found.check(task.crashes <= crashes, "I4", &key.subject, || {
            format!("{} crashes counted, {crashes} allowed", task.crashes)
        });
    }
}

/// I6: the counters equal a recount.
fn ledger_holds(run: &RunData, found: &mut Findings) {
    let mut recount = Totals { sections: run.totals.sections, words: run.totals.words, ..Totals::default() };
    for sample in run.samples.values() {
        count_state(&mut recount, sample.state, 1);
    }
    for attempt in run.attempts.values() {
        ledger::add(&mut recount, &ledger::share(attempt));
    }
    found.check(recount == run.totals, "I6", &run.id, || format!("counted {:?}, recount {recount:?}", run.totals));
}
