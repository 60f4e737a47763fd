//! How runs share the slots of a fleet: by weight, and what one cannot use the others get.
//!
//! A part is seldom a whole number of slots: of 64, weights 2 and 1 are due 42.67 and 21.33. Rounded once and for all to 43
//! and 21 the heavier run would get 2.4 % more than its weight for as long as both work. So time goes in [`TURN`]s, and what is
//! rounded up in one is rounded down in another: over as many turns as the weights add up to, every run has had exactly its part.

use std::time::Duration;

use crate::ids::Timestamp;

/// How long slots stay as they were shared. A run with a sample at work on every slot has one too many in a turn that takes a slot
/// from it: one of them waits then, and a slot that falls free takes the longest chain, whose prefix may be cached elsewhere. So a
/// turn is some calls long.
pub const TURN: Duration = Duration::from_secs(30);

/// The turn of a moment.
pub fn turn(now: Timestamp) -> u64 {
    now.0.unsigned_abs() / TURN.as_millis() as u64
}

/// What one run asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// Its weight against the other runs; 0 counts as 1.
    pub weight: u32,
    /// The most slots that it can use.
    pub most: u32,
}

/// Shares `slots` among runs for one turn. No run gets more than it can use, all slots are given while somebody can use them, and
/// among those who could use more the slots stand as their weights do: to within one in a turn, exactly over as many turns as
/// their weights add up to. Equal arguments give equal shares.
pub fn share(slots: u32, demands: &[Demand], turn: u64) -> Vec<u32> {
    let mut shares = vec![0; demands.len()];
    let mut hungry: Vec<usize> = (0..demands.len()).filter(|index| demands[*index].most > 0).collect();
    let mut left = slots;
    // Whoever needs less than its part gets what it needs; the parts of the others grow by what it leaves.
    while !hungry.is_empty() {
        let weights = total(demands, &hungry);
        let (content, rest): (Vec<usize>, Vec<usize>) = hungry.iter().partition(|index| {
            let demand = demands[**index];
            u64::from(demand.most) * weights <= u64::from(left) * weight(demand)
        });
        if content.is_empty() {
            by_weight(left, demands, &hungry, turn, &mut shares);
            break;
        }
        for index in content {
            shares[index] = demands[index].most;
            left -= demands[index].most;
        }
        hungry = rest;
    }
    shares
}

/// Gives all of `slots` to runs that can use more than their parts. Laid end to end the parts have their bounds at fractions of
/// slots; all of them are moved on by the same part of a slot and rounded down. Over the turns that part takes every multiple of
/// one by the sum of the weights, each once.
fn by_weight(slots: u32, demands: &[Demand], hungry: &[usize], turn: u64, shares: &mut [u32]) {
    let weights = total(demands, hungry);
    let moved_on = turn % weights * stride(weights) % weights;
    let (mut bound, mut weights_before) = (0, 0);
    for index in hungry {
        weights_before += weight(demands[*index]);
        let next = (u64::from(slots) * weights_before + moved_on) / weights;
        shares[*index] = u32::try_from(next - bound).expect("a part of `slots`");
        bound = next;
    }
}

/// A step that visits all of `0..weights`, and whose visits are spread evenly at any time: about the golden section of `weights`,
/// and without a divisor in common with it.
fn stride(weights: u64) -> u64 {
    let golden = weights * 618 / 1_000;
    (golden.max(1)..weights).find(|step| divisor(*step, weights) == 1).unwrap_or(1)
}

/// The greatest divisor in common.
fn divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { divisor(b, a % b) }
}

fn weight(demand: Demand) -> u64 {
    u64::from(demand.weight.max(1))
}

fn total(demands: &[Demand], of: &[usize]) -> u64 {
    of.iter().map(|index| weight(demands[*index])).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn demands(of: &[(u32, u32)]) -> Vec<Demand> {
        of.iter().map(|(weight, most)| Demand { weight: *weight, most: *most }).collect()
    }

    fn shared(slots: u32, of: &[(u32, u32)]) -> Vec<u32> {
        share(slots, &demands(of), 0)
    }

    /// Slots that runs of these weights, which could use all, have had over so many turns from one on.
    fn had(slots: u32, weights: &[u32], turns: std::ops::Range<u64>) -> Vec<u64> {
        let demands: Vec<Demand> = weights.iter().map(|weight| Demand { weight: *weight, most: slots }).collect();
        turns.map(|turn| share(slots, &demands, turn)).fold(vec![0; weights.len()], |mut sums, shares| {
            sums.iter_mut().zip(shares).for_each(|(sum, share)| *sum += u64::from(share));
            sums
        })
    }

    #[test]
    fn slots_stand_as_the_weights_do() {
        assert_eq!(shared(12, &[(2, 100), (1, 100)]), [8, 4]);
        assert_eq!(shared(64, &[(1, 100), (1, 100), (1, 100)]), [21, 21, 22]);
        assert_eq!(shared(10, &[(1, 100)]), [10]);
    }

    #[test]
    fn over_a_round_of_turns_the_parts_are_exact() {
        for (weights, parts) in [([2, 1], [128, 64]), ([3, 1], [192, 64]), ([5, 2], [320, 128]), ([7, 4], [448, 256])] {
            let turns = u64::from(weights[0] + weights[1]);
            for first in [0, 1, 1_000_000_007] {
                assert_eq!(had(64, &weights, first..first + turns), parts, "{weights:?} from {first}");
            }
        }
    }

    #[test]
    fn long_before_a_round_of_turns_is_over_the_parts_are_close() {
        // 137 turns make a round; after twelve nobody is more than a hundredth from its part.
        for first in 0..137 {
            let [heavy, light] = had(64, &[100, 37], first..first + 12)[..] else { panic!("two runs") };
            let off = heavy as f64 / light as f64 / (100.0 / 37.0);
            assert!((0.99..=1.01).contains(&off), "{off} from {first}");
        }
    }

    #[test]
    fn what_a_run_cannot_use_the_others_get() {
        assert_eq!(shared(12, &[(2, 3), (1, 100)]), [3, 9]);
        assert_eq!(shared(12, &[(1, 2), (1, 5), (1, 100)]), [2, 5, 5]);
        assert_eq!(shared(12, &[(1, 0), (5, 2)]), [0, 2]);
        assert_eq!(shared(0, &[(1, 4)]), [0]);
    }

    proptest! {
        #[test]
        fn parts_of_any_weights_are_exact_over_a_round(
            slots in 0u32..300,
            weights in prop::collection::vec(1u32..30, 1..6),
            first in 0u64..1_000_000_000_000,
        ) {
            let all: u32 = weights.iter().sum();
            let due: Vec<u64> = weights.iter().map(|weight| u64::from(slots) * u64::from(*weight)).collect();
            prop_assert_eq!(had(slots, &weights, first..first + u64::from(all)), due);
        }

        #[test]
        fn shares_are_fair_and_leave_nothing(
            slots in 0u32..300,
            demands in prop::collection::vec((1u32..9, 0u32..80), 0..9),
            turn: u64,
        ) {
            let shares = share(slots, &self::demands(&demands), turn);
            let wanted: u32 = demands.iter().map(|(_, most)| most).sum();
            prop_assert_eq!(shares.iter().sum::<u32>(), slots.min(wanted));
            for (index, (share, (weight, most))) in shares.iter().zip(&demands).enumerate() {
                prop_assert!(share <= most);
                if share == most {
                    continue;
                }
                // Nobody who could use more has a smaller part than another, but for the slot that division leaves.
                for (other, (its_weight, _)) in shares.iter().zip(&demands).map(|(s, d)| (*s, *d)) {
                    let (mine, its) = (f64::from(*share + 1) / f64::from(*weight), f64::from(other.saturating_sub(1)) / f64::from(its_weight));
                    prop_assert!(mine >= its - 1e-9, "run {} of {:?}: {:?}", index, demands, shares);
                }
            }
        }
    }
}
