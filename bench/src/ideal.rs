//! What an all-knowing scheduler reaches: list scheduling, longest remaining chain first, calls of equal length.

/// Rounds that `slots` slots need for chains of `chains[i]` calls, each call one round.
pub fn rounds(chains: &[usize], slots: usize) -> usize {
    let mut left: Vec<usize> = chains.to_vec();
    let mut rounds = 0;
    while left.iter().any(|left| *left > 0) {
        // A chain has one call in a round; the longest ones are served.
        left.sort_unstable_by(|a, b| b.cmp(a));
        for chain in left.iter_mut().take(slots).filter(|left| **left > 0) {
            *chain -= 1;
        }
        rounds += 1;
    }
    rounds
}

/// No scheduler needs fewer rounds: the longest chain, and all calls spread over the slots.
pub fn lower_bound(chains: &[usize], slots: usize) -> f64 {
    let work: usize = chains.iter().sum();
    let longest = chains.iter().copied().max().unwrap_or(0);
    (work as f64 / slots as f64).max(longest as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_at_least_the_bound() {
        assert_eq!(rounds(&[3, 1, 1, 1], 2), 3);
        assert_eq!(rounds(&[2, 2, 2], 2), 3);
        assert_eq!((rounds(&[5], 4), lower_bound(&[5], 4)), (5, 5.0));
        assert_eq!((rounds(&[1; 9], 4), lower_bound(&[1; 9], 4)), (3, 2.25));
    }
}
