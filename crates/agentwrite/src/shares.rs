//! How runs share the slots of a fleet: by weight, and what one cannot use the others get.

/// What one run asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// Its weight against the other runs; 0 counts as 1.
    pub weight: u32,
    /// The most slots that it can use.
    pub most: u32,
}

/// Shares `slots` among runs. No run gets more than it can use, all slots are given while somebody can use them, and among
/// those who could use more the slots stand as their weights do, to within one. Equal arguments give equal shares.
pub fn share(slots: u32, demands: &[Demand]) -> Vec<u32> {
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
            by_weight(left, demands, &hungry, &mut shares);
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

/// Gives all of `slots` to runs that can use more than their parts; what division leaves goes to the largest remainders.
fn by_weight(slots: u32, demands: &[Demand], hungry: &[usize], shares: &mut [u32]) {
    let weights = total(demands, hungry);
    let mut left = slots;
    let mut remainders = Vec::with_capacity(hungry.len());
    for index in hungry {
        let part = u64::from(slots) * weight(demands[*index]);
        shares[*index] = u32::try_from(part / weights).expect("a part of `slots`");
        left -= shares[*index];
        remainders.push((std::cmp::Reverse(part % weights), *index));
    }
    remainders.sort_unstable();
    for (_, index) in remainders.into_iter().take(left as usize) {
        shares[index] += 1;
    }
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

    fn shared(slots: u32, demands: &[(u32, u32)]) -> Vec<u32> {
        let demands: Vec<Demand> =
            demands.iter().map(|(weight, most)| Demand { weight: *weight, most: *most }).collect();
        share(slots, &demands)
    }

    #[test]
    fn slots_stand_as_the_weights_do() {
        assert_eq!(shared(12, &[(2, 100), (1, 100)]), [8, 4]);
        assert_eq!(shared(64, &[(1, 100), (1, 100), (1, 100)]), [22, 21, 21]);
        assert_eq!(shared(10, &[(1, 100)]), [10]);
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
        fn shares_are_fair_and_leave_nothing(
            slots in 0u32..300,
            demands in prop::collection::vec((1u32..9, 0u32..80), 0..9),
        ) {
            let shares = shared(slots, &demands);
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
