//! Which endpoint of a pool takes a call.
//!
//! Weighted rendezvous hashing of the call's affinity (the sample's id) puts the endpoints into an order of their own for each
//! sample: all of its calls go to the first, so that one prefix cache serves them. A call goes to the next when the first is
//! closed or full; an endpoint that joins, leaves or fails moves no other endpoint's samples.

use crate::ids::{Hash, Timestamp};

/// The endpoints in the order in which this affinity asks them, as indices. `members` are names and weights; a weight of two
/// gets twice the samples of a weight of one.
pub fn order<'a>(affinity: &str, members: impl IntoIterator<Item = (&'a str, f64)>) -> Vec<usize> {
    let mut scored: Vec<(f64, usize)> =
        members.into_iter().enumerate().map(|(at, (name, weight))| (score(name, affinity, weight), at)).collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    scored.into_iter().map(|(_, at)| at).collect()
}

/// `weight / -ln(u)` for a hash `u` in `0.0..1.0`: the largest wins, each endpoint in proportion to its weight.
fn score(name: &str, affinity: &str, weight: f64) -> f64 {
    let hash = Hash::of("pool", &[name, affinity]).to_u64();
    // 53 bits, the middle of each step: never 0 or 1.
    let unit = ((hash >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    weight / -unit.ln()
}

/// Whether an endpoint can take a call now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It can.
    Open,
    /// As many calls are in flight as it may have, or one call tries whether it is back. Whoever ends a call says so.
    Full,
    /// Its gate is closed until then.
    ClosedUntil(Timestamp),
}

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Goes to this one, by its place in the order.
    Take(usize),
    /// Waits until an endpoint has room, at most until the first gate opens.
    Wait(Option<Timestamp>),
}

/// The first endpoint of the order that can take the call.
pub fn choose(standings: impl IntoIterator<Item = Standing>) -> Choice {
    let mut opens: Option<Timestamp> = None;
    for (at, standing) in standings.into_iter().enumerate() {
        match standing {
            Standing::Open => return Choice::Take(at),
            Standing::ClosedUntil(until) => opens = Some(opens.map_or(until, |opens| opens.min(until))),
            Standing::Full => {}
        }
    }
    Choice::Wait(opens)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn homes(members: &[(&str, f64)], samples: usize) -> Vec<usize> {
        (0..samples).map(|sample| order(&format!("smp_{sample}"), members.iter().copied())[0]).collect()
    }

    #[test]
    fn samples_spread_by_weight() {
        let homes = homes(&[("a", 1.0), ("b", 1.0), ("c", 2.0)], 4_000);
        let counts = [0, 1, 2].map(|member| homes.iter().filter(|home| **home == member).count());
        assert!((900..1_100).contains(&counts[0]) && (900..1_100).contains(&counts[1]), "{counts:?}");
        assert!((1_850..2_150).contains(&counts[2]), "{counts:?}");
    }

    #[test]
    fn only_the_lost_endpoints_samples_move_and_an_added_one_takes_its_share() {
        let three = homes(&[("a", 1.0), ("b", 3.0), ("c", 1.0)], 1_000);
        let two = homes(&[("a", 1.0), ("b", 3.0)], 1_000);
        assert!(three.iter().zip(&two).all(|(before, after)| *before == 2 || before == after));
        let moved = three.iter().filter(|home| **home == 2).count();
        assert!((150..250).contains(&moved), "{moved}");
    }

    #[test]
    fn the_order_does_not_depend_on_how_the_members_are_listed() {
        for sample in 0..100 {
            let affinity = format!("smp_{sample}");
            let names = ["a", "b", "c", "d"];
            let straight = order(&affinity, names.iter().map(|name| (*name, 1.0)));
            let turned = order(&affinity, names.iter().rev().map(|name| (*name, 1.0)));
            let straight: Vec<&str> = straight.into_iter().map(|at| names[at]).collect();
            let turned: Vec<&str> = turned.into_iter().map(|at| names[3 - at]).collect();
            assert_eq!(straight, turned);
        }
    }

    #[test]
    fn a_call_takes_the_first_that_can_and_waits_for_the_first_that_opens() {
        let closed = |at| Standing::ClosedUntil(Timestamp(at));
        assert_eq!(choose([closed(9), Standing::Full, Standing::Open, Standing::Open]), Choice::Take(2));
        assert_eq!(choose([closed(9), closed(4), Standing::Full]), Choice::Wait(Some(Timestamp(4))));
        assert_eq!(choose([Standing::Full]), Choice::Wait(None));
    }
}
