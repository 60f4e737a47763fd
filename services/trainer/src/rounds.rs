//! Which shards the next round trains on, and at what rate. Pure.
//!
//! A job over a complete run is one round. A stream is several: each takes what is there, but leaves the newest shard to the
//! next one while the run goes on, so that the last round, in which the rate decays, is never without data.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::source::{Offer, Offered};

/// Share of all rows of a stream over which the rate decays.
const DECAYING: f64 = 0.2;
/// Steps over which the rate of a stream rises.
const WARM_UP_STEPS: u64 = 10;

/// What is frozen with a round, besides its shards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RoundDetail {
    /// The model is registered after it.
    pub last: bool,
    /// The rate; none = the backend's default, a cosine over the round.
    pub schedule: Option<Value>,
    /// Share of the general data that falls to it.
    pub general_share: f64,
    /// Its shards with format and size.
    pub shards: Vec<ShardDetail>,
    /// General data: name, path, format, SHA-256 and weight, as the recipe has them.
    pub general: Vec<Value>,
}

/// Format and size of a shard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShardDetail {
    /// SHA-256 of the file.
    pub sha256: String,
    /// `parquet` or `jsonl`.
    pub format: String,
    /// Size.
    pub bytes: u64,
}

/// A round before this one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Before {
    /// Its rows.
    pub rows: u64,
    /// The share of general data that it had.
    pub general_share: f64,
    /// Whether it was the last.
    pub last: bool,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// A round.
    Open {
        /// Its shards.
        shards: Vec<Offered>,
        /// Whether it is the last.
        last: bool,
        /// Its rate.
        schedule: Option<Value>,
        /// Its share of the general data.
        general_share: f64,
    },
    /// More shards have to come first.
    Wait,
    /// All rounds are done.
    Finished,
    /// There is nothing to train on.
    Nothing,
}

/// What comes after these rounds, all of them whole. `fresh` are the offered shards that none of them has; `stream` is the
/// least number of shards of a round that does not wait for the end of the run.
pub fn next(offer: &Offer, fresh: Vec<Offered>, before: &[Before], stream: Option<u32>) -> Next {
    if before.last().is_some_and(|round| round.last) {
        return Next::Finished;
    }
    if offer.complete {
        if fresh.is_empty() {
            return Next::Nothing;
        }
        let given: f64 = before.iter().map(|round| round.general_share).sum();
        let earlier: u64 = before.iter().map(|round| round.rows).sum();
        // A job of one round has a known total.
        let schedule = (!before.is_empty()).then(|| {
            let rows = rows_of(&fresh);
            let decay = (DECAYING * (earlier + rows) as f64 / rows as f64).min(1.0);
            json!({"kind": "wsd", "warmup_steps": WARM_UP_STEPS, "decay_ratio": decay})
        });
        return Next::Open { shards: fresh, last: true, schedule, general_share: (1.0 - given).max(0.0) };
    }
    let Some(least) = stream else { return Next::Wait };
    let Some(ready) = fresh.len().checked_sub(1).filter(|ready| *ready >= least.max(1) as usize) else {
        return Next::Wait;
    };
    let shards = fresh[..ready].to_vec();
    let share = rows_of(&shards) as f64 / offer.expected_rows.max(rows_of(&fresh)) as f64;
    let schedule = json!({"kind": "wsd", "warmup_steps": WARM_UP_STEPS, "decay_ratio": 0.0});
    Next::Open { shards, last: false, schedule: Some(schedule), general_share: share }
}

fn rows_of(shards: &[Offered]) -> u64 {
    shards.iter().map(|shard| shard.rows).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shards(count: usize) -> Vec<Offered> {
        (0..count)
            .map(|number| Offered {
                name: format!("shard-{number:05}.parquet"),
                format: "parquet".to_owned(),
                sha256: format!("{number:064x}"),
                rows: 10,
                bytes: 100,
            })
            .collect()
    }

    fn offer(complete: bool) -> Offer {
        Offer { complete, expected_rows: 100, ..Offer::default() }
    }

    #[test]
    fn a_complete_run_is_one_round_with_the_backends_own_rate() {
        let all = shards(3);
        assert_eq!(
            next(&offer(true), all.clone(), &[], None),
            Next::Open { shards: all.clone(), last: true, schedule: None, general_share: 1.0 }
        );
        assert_eq!(next(&offer(false), all, &[], None), Next::Wait);
        assert_eq!(next(&offer(true), Vec::new(), &[], None), Next::Nothing);
        let done = Before { rows: 30, general_share: 1.0, last: true };
        assert_eq!(next(&offer(true), shards(1), &[done], None), Next::Finished);
    }

    #[test]
    fn a_stream_takes_what_is_there_and_leaves_one_for_the_end() {
        assert_eq!(next(&offer(false), shards(2), &[], Some(2)), Next::Wait);
        let Next::Open { shards: first, last, schedule, general_share } = next(&offer(false), shards(4), &[], Some(2))
        else {
            panic!("three are ready")
        };
        assert_eq!((first.len(), last, general_share), (3, false, 0.3));
        assert_eq!(schedule.unwrap()["decay_ratio"], 0.0);
        let before = [Before { rows: 30, general_share, last }];
        assert_eq!(next(&offer(false), shards(1), &before, Some(2)), Next::Wait);
        let Next::Open { shards: end, last, schedule, general_share } = next(&offer(true), shards(1), &before, Some(2))
        else {
            panic!("the run is over")
        };
        assert_eq!((end.len(), last), (1, true));
        assert!((general_share - 0.7).abs() < 1e-9);
        // A fifth of 40 rows is 8 of the 10 of this round.
        assert!((schedule.unwrap()["decay_ratio"].as_f64().unwrap() - 0.8).abs() < 1e-9);
    }
}
