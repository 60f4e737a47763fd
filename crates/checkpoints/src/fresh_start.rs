//! What an operator's retry keeps of a sample, and where the sample stands then.

use agentwrite::chain;
use agentwrite::config::Mode;
use agentwrite::ids::Hash;
use agentwrite::ports::RetryPlan;
use agentwrite::sample::{SampleContext, SampleEvent, SampleState, Section};

use crate::columns::Unsound;

/// A sample before its retry.
pub(crate) struct Stopped {
    pub(crate) state: SampleState,
    pub(crate) revision: u32,
    pub(crate) key: Hash,
    pub(crate) model: Option<String>,
}

/// A sample after its retry.
pub(crate) struct FreshStart<'a> {
    pub(crate) state: SampleState,
    pub(crate) revision: u32,
    /// What is kept is written again, by reference, under the new revision.
    pub(crate) new_revision: bool,
    pub(crate) model: Option<String>,
    /// Number of places, 0 without a plan.
    pub(crate) places: u32,
    /// The chain at the plan, if that is kept.
    pub(crate) plan: Option<Hash>,
    /// The kept sections, each with the chain's head after it.
    pub(crate) sections: Vec<(&'a Section, Hash)>,
}

impl<'a> FreshStart<'a> {
    /// A rejected sample was complete: without a word on what to discard, all of it goes, since the same text would be
    /// rejected again.
    pub(crate) fn of(
        stopped: &Stopped,
        context: &'a SampleContext,
        wish: &RetryPlan,
        (text_config, mode): (Hash, Mode),
    ) -> Result<Self, Unsound> {
        let kept = Kept::of(stopped.state, context, wish);
        let revision = stopped.revision + u32::from(kept.new_revision);
        let model = wish.model.clone().or_else(|| stopped.model.clone());
        let plan = context.plan.as_ref().filter(|_| kept.plan);
        let places = plan.map_or(0, |plan| plan.steps.len());
        let root = chain::root(stopped.key, text_config, model.as_deref(), revision);
        let plan = plan.map(|plan| chain::with_plan(root, plan));
        let mut head = plan.unwrap_or(root);
        let mut sections = Vec::with_capacity(kept.sections.len());
        for section in kept.sections {
            if mode == Mode::Serial {
                head = chain::with_section(head, &section.text);
            }
            sections.push((section, head));
        }
        let event =
            SampleEvent::Retried { planned: plan.is_some(), complete: plan.is_some() && sections.len() >= places };
        let state = stopped.state.apply(event).map_err(|error| Unsound(error.to_string()))?;
        Ok(Self { state, revision, new_revision: kept.new_revision, model, places: places as u32, plan, sections })
    }

    /// The chain's head; none without a plan.
    pub(crate) fn head(&self) -> Option<Hash> {
        self.sections.last().map(|(_, head)| *head).or(self.plan)
    }

    /// Words of the kept sections.
    pub(crate) fn words(&self) -> u64 {
        self.sections.iter().map(|(section, _)| u64::from(section.words)).sum()
    }
}

/// What a retry keeps.
pub(crate) struct Kept<'a> {
    plan: bool,
    /// The sections.
    pub(crate) sections: Vec<&'a Section>,
    new_revision: bool,
}

impl<'a> Kept<'a> {
    pub(crate) fn of(state: SampleState, context: &'a SampleContext, wish: &RetryPlan) -> Self {
        let from = wish.from_section.or((state == SampleState::Rejected).then_some(0));
        let plan = from != Some(0) && context.plan.is_some();
        let below = from.map_or(u32::MAX, |section| section.saturating_sub(1));
        Self {
            plan,
            sections: context.sections.iter().filter(|section| plan && section.place < below).collect(),
            new_revision: from.is_some() || wish.model.is_some(),
        }
    }
}
