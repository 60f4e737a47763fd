//! Waiting for conditions.

use std::time::{Duration, Instant};

/// How long a condition rests between two looks.
const REST: Duration = Duration::from_millis(2);

/// Waits until `look` is true. Panics with `what` after `most`.
pub fn until(most: Duration, what: &str, mut look: impl FnMut() -> bool) {
    until_some(most, what, || look().then_some(()));
}

/// Waits until `look` gives a value. Panics with `what` after `most`.
pub fn until_some<T>(most: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = look() {
            return value;
        }
        assert!(start.elapsed() < most, "after {most:?} still not: {what}");
        std::thread::sleep(REST);
    }
}
