//! A certificate of a server on this machine, and the authority that signed it: made with `openssl`, which comes with the
//! servers' packages.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a server of `localhost` and `127.0.0.1` needs.
const NAMES: &str = "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n";

/// Files of PEM.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// Of the authority.
    pub authority: PathBuf,
    /// Of the server.
    pub certificate: PathBuf,
    /// The server's key.
    pub key: PathBuf,
}

impl Certificate {
    /// Makes an authority and a certificate in `folder`.
    pub fn make(folder: &Path) -> Self {
        let at = |name: &str| folder.join(name);
        let openssl = |args: &[&str]| {
            let mut command = Command::new("openssl");
            let output =
                command.args(args).current_dir(folder).stdin(Stdio::null()).output().expect("openssl is there");
            assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        };
        std::fs::write(at("names"), NAMES).expect("the folder can be written");
        let new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
        let authority = ["req", "-x509", "-subj", "/CN=authority of a test", "-days", "2"];
        openssl(&[&authority[..], &new_key, &["-keyout", "ca.key", "-out", "ca.pem"]].concat());
        let request = ["req", "-subj", "/CN=localhost"];
        openssl(&[&request[..], &new_key, &["-keyout", "server.key", "-out", "server.csr"]].concat());
        let sign = ["x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"];
        openssl(&[&sign[..], &["-days", "2", "-extfile", "names", "-out", "server.pem"]].concat());
        Self { authority: at("ca.pem"), certificate: at("server.pem"), key: at("server.key") }
    }
}
