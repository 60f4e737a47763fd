//! Who starts next: a moving window, plans ahead of writing, the longest first.
//!
//! Outside the tail at most W samples are admitted and each keeps its slot from section to section (depth first, so that
//! its prefix stays in the endpoint's cache). In the tail, once no more than 2W unfinished samples are left, all are
//! admitted and the longest remaining chain goes first, which is what keeps the last hour of a run short.

use crate::ports::{AdmissionView, Admit};

/// What to admit, and whether follow-up tasks wait to be dispatched in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AdmissionPlan {
    /// Admissions, in order.
    pub admits: Vec<Admit>,
    /// The run is in its tail, or has more in work than slots: follow-up tasks are dispatched best first instead of being
    /// claimed at once.
    pub ordered: bool,
}

/// The window in ordinals: two shards, at least 2W samples.
pub fn window(shard_size: u32, slots: u32) -> u64 {
    u64::from(shard_size.max(slots)) * 2
}

/// Whether a run with so many unfinished samples is in its tail.
pub fn is_tail(unfinished: u64, slots: u32) -> bool {
    unfinished <= u64::from(slots) * 2
}

/// Decides who is admitted, given what stands and the number of calls that may be in flight.
pub fn decide(view: &AdmissionView, slots: u32) -> AdmissionPlan {
    let tail = is_tail(view.unfinished, slots);
    // Slots that were taken away: whoever goes on is chosen then, as in the tail.
    let ordered = tail || view.writing + view.planning > slots;
    let write = |candidate: &crate::ports::AdmissionCandidate| Admit { sample: candidate.sample.clone(), write: true };
    let plan = |candidate: &crate::ports::AdmissionCandidate| Admit { sample: candidate.sample.clone(), write: false };
    if tail {
        let admits = view.planned.iter().map(write).chain(view.pending.iter().map(plan)).collect();
        return AdmissionPlan { admits, ordered };
    }
    let mut free = slots.saturating_sub(view.writing + view.planning);
    let mut planned = view.planned.iter();
    let mut pending = view.pending.iter();
    let mut admits = Vec::new();
    // Half of the slots' worth of plans in stock is enough to choose the longest from, and costs no endpoint time now.
    let wanted = (slots / 2).max(1) as usize;
    let coming = view.planning as usize;
    while free > 0 {
        let stock = planned.len() + coming + admits.iter().filter(|admit: &&Admit| !admit.write).count();
        let next = if stock < wanted { pending.next().map(plan) } else { None };
        let Some(admit) = next.or_else(|| planned.next().map(write)).or_else(|| pending.next().map(plan)) else {
            break;
        };
        admits.push(admit);
        free -= 1;
    }
    AdmissionPlan { admits, ordered }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::SampleId;
    use crate::ports::AdmissionCandidate;

    fn candidates(count: u64, planned: bool) -> Vec<AdmissionCandidate> {
        (0..count)
            .map(|ordinal| AdmissionCandidate {
                sample: SampleId::new(format!("s{planned}{ordinal}")),
                ordinal,
                remaining: 10,
                planned,
            })
            .collect()
    }

    #[test]
    fn the_tail_admits_everybody_and_orders_dispatch() {
        let view = AdmissionView {
            unfinished: 8,
            planned: candidates(3, true),
            pending: candidates(5, false),
            ..Default::default()
        };
        let plan = decide(&view, 4);
        assert!(plan.ordered);
        assert_eq!(plan.admits.len(), 8);
        assert_eq!(plan.admits.iter().filter(|admit| admit.write).count(), 3);
    }

    #[test]
    fn outside_the_tail_never_more_than_the_slots() {
        let view = AdmissionView {
            unfinished: 1_000,
            writing: 10,
            planning: 2,
            planned: candidates(30, true),
            pending: candidates(30, false),
            ..Default::default()
        };
        let plan = decide(&view, 16);
        assert!(!plan.ordered);
        assert_eq!(plan.admits.len(), 4);
        assert!(plan.admits.iter().all(|admit| admit.write), "the stock of plans is large enough");
    }

    #[test]
    fn with_fewer_slots_than_samples_in_work_the_next_tasks_are_chosen() {
        let view =
            AdmissionView { unfinished: 1_000, writing: 16, planned: candidates(30, true), ..Default::default() };
        let plan = decide(&view, 8);
        assert!(plan.ordered && plan.admits.is_empty());
        assert!(!decide(&AdmissionView { writing: 8, ..view }, 8).ordered);
    }

    #[test]
    fn a_small_stock_of_plans_is_filled_before_another_sample_starts() {
        let view = AdmissionView {
            unfinished: 1_000,
            writing: 12,
            planned: candidates(2, true),
            pending: candidates(30, false),
            ..Default::default()
        };
        let plan = decide(&view, 16);
        assert_eq!(plan.admits.iter().filter(|admit| !admit.write).count(), 4);
    }
}
