//! The length score S_l (arXiv 2408.07055, section 4.1; released evaluation code).

/// S_l of a text of `produced` words where `required` were asked for, 0 to 100: 100 only when they are equal, 0 from four
/// times the length up and from a third of it down; too long costs less than too short. An empty text scores 0, also
/// where nothing was required.
pub fn length_score(required: u32, produced: u32) -> f64 {
    if produced == 0 {
        return 0.0;
    }
    let (x, y) = (f64::from(required), f64::from(produced));
    let share = if y > x { 1.0 - (y / x - 1.0) / 3.0 } else { 1.0 - (x / y - 1.0) / 2.0 };
    100.0 * share.max(0.0)
}

#[cfg(test)]
mod tests {
    use super::super::{Bound, LengthSource, RequiredLength};
    use super::*;
    use proptest::prelude::*;

    #[derive(serde::Deserialize)]
    struct Vector {
        required: u32,
        produced: u32,
        score: f64,
    }

    fn bound(bound: Bound, low: u32, high: u32) -> RequiredLength {
        RequiredLength { bound, low, high, source: LengthSource::Column }
    }

    #[test]
    fn the_vectors_of_the_released_code_agree() {
        let vectors: Vec<Vector> = serde_json::from_str(include_str!("../../tests-data/length_score.json")).unwrap();
        assert!(vectors.len() >= 27);
        for v in vectors {
            let score = length_score(v.required, v.produced);
            assert!((score - v.score).abs() < 1e-9, "{} of {}: {score}", v.produced, v.required);
        }
    }

    #[test]
    fn nothing_written_scores_nothing() {
        assert!(length_score(1000, 0).abs() < f64::EPSILON);
        assert!(length_score(0, 0).abs() < f64::EPSILON);
        assert!(length_score(0, 10).abs() < f64::EPSILON);
        assert!(bound(Bound::AtMost, 500, 500).score(0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_bound_scores_from_its_nearest_edge() {
        let cases = [
            (bound(Bound::About, 1000, 1000), 900, length_score(1000, 900)),
            (bound(Bound::AtLeast, 1000, 1000), 5000, 100.0),
            (bound(Bound::AtLeast, 1000, 1000), 500, 50.0),
            (bound(Bound::AtMost, 1000, 1000), 10, 100.0),
            (bound(Bound::AtMost, 1000, 1000), 2500, 50.0),
            (bound(Bound::Range, 800, 1000), 800, 100.0),
            (bound(Bound::Range, 800, 1000), 1000, 100.0),
            (bound(Bound::Range, 800, 1000), 400, 50.0),
            (bound(Bound::Range, 800, 1000), 2500, 50.0),
        ];
        for (length, produced, score) in cases {
            assert!((length.score(produced) - score).abs() < 1e-9, "{length:?} {produced}: {}", length.score(produced));
        }
    }

    #[test]
    fn the_target_lies_inside_the_bound() {
        assert_eq!(bound(Bound::About, 3000, 3000).target(), 3000);
        assert_eq!(bound(Bound::AtLeast, 3000, 3000).target(), 3150);
        assert_eq!(bound(Bound::AtMost, 3000, 3000).target(), 2850);
        assert_eq!(bound(Bound::Range, 2000, 3000).target(), 2500);
        assert_eq!(bound(Bound::AtLeast, u32::MAX, u32::MAX).target(), u32::MAX);
    }

    proptest! {
        #[test]
        fn a_score_is_a_percentage(required in 0_u32..100_000, produced in 0_u32..1_000_000) {
            let score = length_score(required, produced);
            prop_assert!((0.0..=100.0).contains(&score), "{}", score);
        }

        #[test]
        fn a_target_scores_full_marks(low in 20_u32..1_000_000, more in 0_u32..1000) {
            for length in [
                bound(Bound::About, low, low),
                bound(Bound::AtLeast, low, low),
                bound(Bound::AtMost, low, low),
                bound(Bound::Range, low, low + more),
            ] {
                prop_assert!((length.score(length.target()) - 100.0).abs() < 1e-9);
            }
        }
    }
}
