//! Where the server's programs are; the Debian package where they are missing.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// Installs nothing but the programs: no cluster is made, no service started, neither now nor by other packages' scripts.
const INSTALL: &str = r"
set -e
export DEBIAN_FRONTEND=noninteractive
mkdir -p /etc/postgresql-common
[ -e /etc/postgresql-common/createcluster.conf ] || echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf
if [ ! -e /usr/sbin/policy-rc.d ]; then
  printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
  chmod 755 /usr/sbin/policy-rc.d
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
apt-get -o DPkg::Lock::Timeout=600 update -qq
apt-get -o DPkg::Lock::Timeout=600 install -y -qq --no-install-recommends postgresql
";

/// Makes sure that the programs are there.
pub(super) fn ensure() {
    static DONE: OnceLock<()> = OnceLock::new();
    DONE.get_or_init(|| {
        if find().is_some() {
            return;
        }
        assert!(is_root(), "PostgreSQL is missing: apt-get install postgresql");
        let output = Command::new("sh").args(["-c", INSTALL]).output().expect("sh runs");
        assert!(
            output.status.success() && find().is_some(),
            "PostgreSQL cannot be installed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    });
}

/// The programs of the newest version that is installed.
fn find() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version = entry.file_name().to_str()?.parse().ok()?;
            let programs = entry.path().join("bin");
            programs.join("initdb").exists().then_some((version, programs))
        })
        .collect();
    found.sort();
    found.pop().map(|(_, programs)| programs)
}

/// A program of the server.
pub(super) fn program(name: &str) -> PathBuf {
    find().expect("PostgreSQL is installed").join(name)
}

/// The client, which may be there without a server.
pub(super) fn client() -> PathBuf {
    find().map_or_else(|| PathBuf::from("psql"), |programs| programs.join("psql"))
}

/// Whether this process is root, as which PostgreSQL does not run.
pub(super) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// User and group of the package's user.
pub(super) fn user() -> (u32, u32) {
    let users = std::fs::read_to_string("/etc/passwd").expect("the list of users");
    let line = users.lines().find(|line| line.starts_with("postgres:")).expect("the package made a user postgres");
    let mut ids = line.split(':').skip(2).map(|id| id.parse().expect("a number"));
    (ids.next().expect("a user id"), ids.next().expect("a group id"))
}
