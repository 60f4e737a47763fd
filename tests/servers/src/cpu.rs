//! What processes have used.

/// Linux counts CPU time in this many ticks a second (`USER_HZ`).
const TICKS: f64 = 100.0;

/// User and system time of a process and of its children that have ended, in seconds; 0 if it is not there.
pub(crate) fn seconds(id: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // Fields 14 to 17; the name in field 2 may hold spaces.
    let Some((_, rest)) = stat.rsplit_once(')') else { return 0.0 };
    rest.split_whitespace().skip(11).take(4).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS
}
