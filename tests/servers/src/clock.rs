//! A time of day that can be set for some processes: Debian's `libfaketime`, which stands between a program and the
//! system's clock. The clock that counts from the machine's start is left alone, as it is when somebody sets the time.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

use tempfile::TempDir;

/// Installs the library.
const INSTALL: &str = "
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get -o DPkg::Lock::Timeout=600 -qq update
apt-get -o DPkg::Lock::Timeout=600 -qq install -y --no-install-recommends libfaketime
";

/// The time of day of some processes.
#[derive(Debug)]
pub struct WallClock {
    folder: TempDir,
    library: PathBuf,
}

impl WallClock {
    /// One that is right until it is set. Installs the library where it is missing and this process may do that.
    pub fn right() -> Self {
        let clock = Self { folder: TempDir::new().expect("a temporary folder can be made"), library: library() };
        clock.set_off("+0");
        clock
    }

    /// Variables of the processes that go by it.
    pub fn environment(&self) -> [(&'static str, String); 5] {
        let text = |path: &Path| path.to_str().expect("a path of ours is text").to_owned();
        [
            ("LD_PRELOAD", text(&self.library)),
            ("FAKETIME_TIMESTAMP_FILE", text(&self.file())),
            // How soon a process sees that it was set, in seconds.
            ("FAKETIME_CACHE_DURATION", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("NO_FAKE_STAT", "1".to_owned()),
        ]
    }

    /// Sets it this far off: `+1h`, `-1h`, `+0`.
    pub fn set_off(&self, by: &str) {
        // As a whole: a process may be reading.
        let staged = self.folder.path().join("staged");
        std::fs::write(&staged, format!("{by}\n"))
            .and_then(|()| std::fs::rename(staged, self.file()))
            .expect("our file");
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("time")
    }
}

fn library() -> PathBuf {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if installed().is_some() {
            return;
        }
        let lock = "/tmp/longhand-servers-install.lock";
        let output = Command::new("flock").args([lock, "sh", "-c", INSTALL]).output().expect("flock and sh");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "the package libfaketime is missing and cannot be installed: {said}");
    });
    installed().expect("the package has the library")
}

/// `/usr/lib/ARCHITECTURE/faketime/`
fn installed() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path());
    folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).find(|library| library.exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_sees_the_time_that_was_set() {
        let clock = WallClock::right();
        let seconds = |environment: bool| -> i64 {
            let mut date = Command::new("date");
            date.arg("+%s").envs(clock.environment().into_iter().filter(|_| environment));
            String::from_utf8(date.output().expect("date runs").stdout).unwrap().trim().parse().unwrap()
        };
        for (by, wanted) in [("+0", 0), ("+1h", 3_600), ("-1h", -3_600)] {
            clock.set_off(by);
            let off = seconds(true) - seconds(false);
            assert!((wanted - 2..=wanted + 2).contains(&off), "{by}: {off}");
        }
    }
}
