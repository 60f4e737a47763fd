//! Faults that the simulator plants, drawn from (seed, call, how often the call was seen): the same run meets the same
//! faults whatever the order and concurrency of its calls.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Stands in every planted bad text, followed by the kind; a text that carries it must never get into a shard.
pub const MARKER: &str = "zqxfault";

macro_rules! faults {
    ($($(#[doc = $doc:literal])+ $variant:ident, $field:ident, $marker:literal;)+) => {
        /// What can go wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum FaultKind { $($(#[doc = $doc])+ $variant,)+ }

        impl FaultKind {
            /// Every kind, in the order in which they are drawn.
            pub const ALL: &'static [FaultKind] = &[$(FaultKind::$variant,)+];

            /// Its name in configuration and in `/stats`.
            pub fn as_str(self) -> &'static str {
                match self { $(FaultKind::$variant => stringify!($field),)+ }
            }

            /// The word of letters that stands in its bad text.
            pub fn marker(self) -> &'static str {
                match self { $(FaultKind::$variant => concat!("zqxfault", $marker),)+ }
            }
        }

        /// How often each kind happens, each 0..=1; their sum is a call's chance to meet one.
        #[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Faults { $($(#[doc = $doc])+ pub $field: f64,)+ }

        impl Faults {
            /// The rate of one kind.
            pub fn rate(&self, kind: FaultKind) -> f64 {
                match kind { $(FaultKind::$variant => self.$field,)+ }
            }

            /// The rate of one kind, to be set.
            pub fn rate_mut(&mut self, kind: FaultKind) -> &mut f64 {
                match kind { $(FaultKind::$variant => &mut self.$field,)+ }
            }
        }
    };
}

faults! {
    /// Status 429 with `Retry-After`.
    Rate429, rate_429, "ratelimit";
    /// Status 500.
    Rate500, rate_500, "servererror";
    /// Status 503.
    Rate503, rate_503, "overload";
    /// The connection breaks in the middle of the answer.
    Reset, reset, "reset";
    /// Keep-alive comments for ever and no token.
    KeepAlive, keep_alive, "keepalive";
    /// The answer ends early: finish reason `length`, or a stream without a finish reason.
    Cut, cut, "cut";
    /// The model declines.
    Refusal, refusal, "refusal";
    /// An answer without text.
    Empty, empty, "empty";
    /// A plan that is none: placeholders, one line repeated, or prose (plan calls only).
    GarbagePlan, garbage_plan, "garbageplan";
    /// A body that is no JSON; in JSON plans also a plan that is none.
    BrokenJson, broken_json, "brokenjson";
    /// Reasoning in the text or beside it.
    Think, think, "think";
    /// The plan or earlier text instead of new text.
    Echo, echo, "echo";
    /// An error message of a provider, with status 200.
    ErrorText, error_text, "errortext";
    /// The front of the prompt is dropped; only the usage tells.
    DropFront, drop_front, "dropfront";
}

impl Faults {
    /// Every kind at one rate, except `drop_front`: it rightly stops a run, the others must not.
    pub fn all(rate: f64) -> Self {
        let mut faults = Self::default();
        for &kind in FaultKind::ALL {
            *faults.rate_mut(kind) = rate;
        }
        faults.drop_front = 0.0;
        faults
    }

    /// The fault that the `nth` sight of `call` meets, with a number that picks its variety.
    pub(crate) fn draw(&self, seed: u64, call: u64, nth: u32, plan: bool) -> Option<(FaultKind, u64)> {
        let drawn = xxh3_64_with_seed(&nth.to_le_bytes(), seed ^ call.rotate_left(17));
        let point = (drawn >> 11) as f64 / (1_u64 << 53) as f64;
        let mut edge = 0.0;
        for &kind in FaultKind::ALL {
            if kind == FaultKind::GarbagePlan && !plan {
                continue;
            }
            edge += self.rate(kind);
            if point < edge {
                return Some((kind, drawn & 0x7ff));
            }
        }
        None
    }
}

/// A text that is no list of fault rates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultsError(String);

impl std::fmt::Display for FaultsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for FaultsError {}

impl FromStr for Faults {
    type Err = FaultsError;

    /// Reads `all=0.02` or `refusal=0.05,empty=0.02`; later entries win, `429` stands for `rate_429`.
    fn from_str(text: &str) -> Result<Self, FaultsError> {
        let mut faults = Self::default();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let (name, rate) =
                entry.split_once('=').ok_or_else(|| FaultsError(format!("fault {entry:?} is not NAME=RATE")))?;
            let rate = rate.trim().parse::<f64>().ok().filter(|rate| (0.0..=1.0).contains(rate));
            let rate = rate.ok_or_else(|| FaultsError(format!("fault {entry:?}: the rate must be 0 to 1")))?;
            let name = name.trim();
            if name == "all" {
                faults = Self::all(rate);
                continue;
            }
            let known =
                |kind: &&FaultKind| kind.as_str().trim_start_matches("rate_") == name.trim_start_matches("rate_");
            let kind = FaultKind::ALL.iter().find(known).ok_or_else(|| {
                let names = FaultKind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ");
                FaultsError(format!("unknown fault {name:?}; known are all, {names}"))
            })?;
            *faults.rate_mut(*kind) = rate;
        }
        Ok(faults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_from_text() {
        let faults: Faults = "refusal=0.05, 429=0.5".parse().unwrap();
        assert_eq!(faults, Faults { refusal: 0.05, rate_429: 0.5, ..Faults::default() });
        let faults: Faults = "all=0.02,empty=0".parse().unwrap();
        assert_eq!((faults.reset, faults.empty, faults.drop_front), (0.02, 0.0, 0.0));
        for bad in ["refusal", "refusal=2", "nonsense=0.1"] {
            assert!(bad.parse::<Faults>().is_err(), "{bad}");
        }
    }

    #[test]
    fn draws_depend_on_call_and_sight_and_keep_the_rates() {
        let faults = Faults { refusal: 0.1, ..Faults::default() };
        let hits = (0..10_000_u64).filter(|call| faults.draw(1, call * 7919, 0, false).is_some()).count();
        assert!((900..1100).contains(&hits), "{hits}");
        let sights: Vec<_> = (0..100).map(|nth| faults.draw(1, 5, nth, false).is_some()).collect();
        assert!(sights.contains(&true) && sights.contains(&false));
        assert_eq!(faults.draw(1, 5, 3, false), faults.draw(1, 5, 3, false));
    }

    #[test]
    fn a_garbage_plan_meets_only_plans() {
        let faults = Faults { garbage_plan: 1.0, ..Faults::default() };
        assert_eq!(faults.draw(1, 2, 0, false), None);
        assert_eq!(faults.draw(1, 2, 0, true).map(|(kind, _)| kind), Some(FaultKind::GarbagePlan));
    }

    #[test]
    fn markers_start_alike_and_are_words_of_letters() {
        for kind in FaultKind::ALL {
            assert!(kind.marker().starts_with(MARKER) && kind.marker().bytes().all(|byte| byte.is_ascii_lowercase()));
        }
    }
}
