//! Plans and what they are settled to.

use super::super::Step;
use super::super::tests::plan;
use super::*;
use crate::length::{Bound, LengthSource};
use proptest::prelude::*;

fn about(words: u32) -> RequiredLength {
    RequiredLength::about(words, LengthSource::Read)
}

type Steps<'a> = &'a [(&'a str, u32)];

fn settled(steps: &[(&str, u32)], required: Option<u32>) -> Result<Plan, PlanFault> {
    settle(plan(steps), required.map(about).as_ref(), None, &PlanPolicy::default())
}

#[test]
fn a_good_plan_stays_as_it_is() {
    let good = [("Origins", 400), ("Rise", 600), ("Fall", 500)];
    assert_eq!(settled(&good, None), Ok(plan(&good)));
    assert_eq!(settled(&good, Some(1500)), Ok(plan(&good)));
    assert_eq!(settled(&good, Some(1520)), Ok(plan(&good)));
}

#[test]
fn a_total_is_rescaled() {
    assert_eq!(settled(&[("Origins", 400), ("Rise", 600)], Some(1500)), Ok(plan(&[("Origins", 600), ("Rise", 900)])));
    let range = RequiredLength { bound: Bound::Range, low: 1400, high: 1600, source: LengthSource::Read };
    let plan = settle(plan(&[("Origins", 400), ("Rise", 600)]), Some(&range), None, &PlanPolicy::default()).unwrap();
    assert_eq!(plan.total(), 1500);
}

#[test]
fn short_steps_are_merged_and_long_ones_split() {
    assert_eq!(
        settled(&[("Origins", 100), ("Rise", 150), ("Fall", 900)], None),
        Ok(plan(&[("Origins; Rise", 250), ("Fall", 900)]))
    );
    assert_eq!(
        settled(&[("Origins", 300), ("Rise", 2500)], None),
        Ok(plan(&[
            ("Origins", 300),
            ("Rise (part 1 of 3)", 834),
            ("Rise (part 2 of 3)", 833),
            ("Rise (part 3 of 3)", 833)
        ]))
    );
    assert_eq!(settled(&[("起源", 100), ("兴起", 150)], None), Ok(plan(&[("起源；兴起", 250)])));
    // a neighbour without room keeps its words; the short step is filled up instead
    assert_eq!(settled(&[("Origins", 100), ("Rise", 1000)], None), Ok(plan(&[("Origins", 200), ("Rise", 900)])));
    // a little too long is levelled, not split
    assert_eq!(settled(&[("Origins", 500), ("Rise", 1100)], None), Ok(plan(&[("Origins", 600), ("Rise", 1000)])));
}

#[test]
fn a_short_text_gets_one_step() {
    let plan = settled(&[("Origins", 60), ("Rise", 60), ("Fall", 60), ("After", 60), ("Now", 60)], Some(300)).unwrap();
    assert_eq!(plan, super::super::tests::plan(&[("Origins; Rise; Fall; After; Now", 300)]));
    assert_eq!(settled(&[("Origins", 50), ("Rise", 50)], Some(100)).unwrap().steps.len(), 1);
}

#[test]
fn fixed_parts_are_only_rescaled() {
    let letters = plan(&[("First letter", 100), ("Second letter", 100), ("Third letter", 1500)]);
    let settled = settle(letters.clone(), None, Some(3), &PlanPolicy::default()).unwrap();
    assert_eq!(settled, letters);
    let settled = settle(letters, Some(&about(3400)), Some(3), &PlanPolicy::default()).unwrap();
    assert_eq!(settled.steps.iter().map(|step| step.words).collect::<Vec<_>>(), [200, 200, 3000]);
}

#[test]
fn more_words_than_steps_can_hold_are_shared_equally() {
    let steps: Vec<Step> =
        (0..50).map(|index| Step { main_point: format!("Topic number {index} of many"), words: 900 }).collect();
    let settled = settle(Plan { steps }, Some(&about(60_000)), None, &PlanPolicy::default()).unwrap();
    assert_eq!((settled.steps.len(), settled.total()), (50, 60_000));
    assert!(settled.steps.iter().all(|step| step.words == 1200));
}

#[test]
fn faults() {
    let many: Vec<(String, u32)> = (0..51).map(|index| (format!("Topic number {index} of many"), 200)).collect();
    let many: Vec<(&str, u32)> = many.iter().map(|(point, words)| (point.as_str(), *words)).collect();
    let cases: [(Steps, Option<u32>, PlanFault); 9] = [
        (&[], None, PlanFault::NoStep),
        (&many, None, PlanFault::TooManySteps { count: 51, limit: 50 }),
        (&[("Origins", 400), ("I'm sorry, but I can't help with that", 400)], None, PlanFault::Refusal),
        (&[("Origins", 400), ("[Describe the main point]", 400)], None, PlanFault::Placeholder { step: 2 }),
        (&[("Origins", 400), ("", 400)], None, PlanFault::Placeholder { step: 2 }),
        (&[("Origins.", 400), ("Rise", 400), ("origins", 400)], None, PlanFault::RepeatedStep { first: 1, second: 3 }),
        (&[("Origins", 100), ("Rise", 101)], Some(3000), PlanFault::TotalOff { total: 201, required: 3000 }),
        (&[("Origins", 9000)], Some(2000), PlanFault::TotalOff { total: 9000, required: 2000 }),
        (&[("Origins", 0)], Some(2000), PlanFault::TotalOff { total: 0, required: 2000 }),
    ];
    for (steps, required, fault) in cases {
        assert_eq!(settled(steps, required), Err(fault), "{steps:?}");
    }
    assert!(
        settled(&[("Origins", 400), ("Origins", 500)], None).is_ok(),
        "the same point with other words is no repetition"
    );
    assert!(settled(&[("Origins", 500)], Some(2000)).is_ok(), "a quarter can still be rescaled");
}

fn any_plan() -> impl Strategy<Value = Plan> {
    prop::collection::vec(1_u32..3000, 1..50).prop_map(|words| Plan {
        steps: words
            .into_iter()
            .enumerate()
            .map(|(index, words)| Step { main_point: format!("Topic number {index} of many"), words })
            .collect(),
    })
}

proptest! {
    #[test]
    fn settling_keeps_the_total_and_the_limits(plan in any_plan()) {
        let policy = PlanPolicy::default();
        let total = plan.total();
        let settled = settle(plan, None, None, &policy).unwrap();
        prop_assert_eq!(settled.total(), total);
        prop_assert!(settled.steps.len() <= policy.max_steps);
        if (200..=50_000).contains(&total) {
            prop_assert!(settled.steps.iter().all(|step| (200..=1000).contains(&step.words)), "{:?}", settled);
        }
    }

    #[test]
    fn settling_twice_changes_nothing(plan in any_plan(), percent in 30_u32..300, fixed in any::<bool>()) {
        let policy = PlanPolicy::default();
        let required = about((u64::from(plan.total()) * u64::from(percent) / 100).max(1) as u32);
        let fixed = fixed.then_some(3);
        let once = settle(plan, Some(&required), fixed, &policy).unwrap();
        let twice = settle(once.clone(), Some(&required), fixed, &policy).unwrap();
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn odd_policies_settle_too(
        plan in any_plan(), target in 1_u32..80_000, min in 0_u32..900, max in 0_u32..1500, steps in 50_usize..60,
    ) {
        let policy = PlanPolicy { max_steps: steps, min_words: min, max_words: max, tolerance_percent: 0, max_rescale: 4 };
        let required = about(target);
        if let Ok(once) = settle(plan, Some(&required), None, &policy) {
            prop_assert_eq!(once.total(), target);
            let twice = settle(once.clone(), Some(&required), None, &policy).unwrap();
            prop_assert_eq!(once, twice);
        }
    }

    #[test]
    fn the_target_is_met_within_two_percent(plan in any_plan(), percent in 30_u32..300) {
        let required = about((u64::from(plan.total()) * u64::from(percent) / 100).max(1) as u32);
        let settled = settle(plan, Some(&required), None, &PlanPolicy::default()).unwrap();
        prop_assert!(settled.total().abs_diff(required.low) * 50 <= required.low, "{} of {}", settled.total(), required.low);
    }
}
