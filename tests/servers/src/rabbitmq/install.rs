//! Installs the distribution's broker where it is missing.

use std::path::Path;
use std::process::Command;
use std::sync::Once;

/// Where Debian's package keeps the server and its tools.
pub(super) const BIN: &str = "/usr/lib/rabbitmq/bin";

/// One installation at a time on this machine; no service may start by itself, it would take the standard ports.
const INSTALL: &str = r#"
set -eu
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
fi
apt-get -o DPkg::Lock::Timeout=600 -qq update
apt-get -o DPkg::Lock::Timeout=600 -qq install -y --no-install-recommends rabbitmq-server
"#;

/// Makes sure that the server's programs are there.
pub(super) fn ensure() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if Path::new(BIN).join("rabbitmq-server").exists() {
            return;
        }
        assert!(super::node::is_root(), "RabbitMQ is missing: install the package rabbitmq-server");
        let output = Command::new("flock")
            .args(["/tmp/longhand-servers-install.lock", "sh", "-c", INSTALL])
            .output()
            .expect("flock and sh are part of every Debian");
        assert!(output.status.success(), "installing rabbitmq-server: {}", String::from_utf8_lossy(&output.stderr));
    });
}
