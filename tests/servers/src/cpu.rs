//! What a server's processes have used: PostgreSQL has one for each connection.

use std::collections::HashMap;
use std::fs;

/// Linux counts CPU time in this many ticks a second (`USER_HZ`).
const TICKS: f64 = 100.0;

/// User and system time in seconds of a process and all that descend from it, with those of them that have ended.
pub(crate) fn seconds(root: u32) -> f64 {
    let all: HashMap<u32, Times> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let id = entry.file_name().to_str()?.parse().ok()?;
            Some((id, Times::read(&fs::read_to_string(entry.path().join("stat")).ok()?)?))
        })
        .collect();
    let descends = |mut id: u32| loop {
        if id == root {
            return true;
        }
        match all.get(&id) {
            Some(times) if times.parent != 0 => id = times.parent,
            _ => return false,
        }
    };
    all.iter().filter(|(id, _)| descends(**id)).map(|(_, times)| times.ticks).sum::<f64>() / TICKS
}

struct Times {
    parent: u32,
    ticks: f64,
}

impl Times {
    /// Fields 4 and 14 to 17 of `/proc/PID/stat`, the last two being those of children that were waited for; the name in field
    /// 2 may hold spaces.
    fn read(stat: &str) -> Option<Self> {
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = fields.get(11..15)?.iter().map(|field| field.parse::<f64>()).sum::<Result<_, _>>().ok()?;
        Some(Self { parent: fields.get(1)?.parse().ok()?, ticks })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_process_counts_with_its_children_dead_or_alive() {
        let stat = "7 (a b) c) S 3 2 3 4 5 6 7 8 9 10 250 50 20 5 20";
        let times = Times::read(stat).expect("a line of /proc");
        assert_eq!((times.parent, times.ticks), (3, 325.0));
        let busy = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done";
        let before = seconds(std::process::id());
        Command::new("sh").args(["-c", busy]).status().expect("sh runs");
        assert!(seconds(std::process::id()) > before);
    }
}
