//! A private server that speaks S3: `moto`, from PyPI, in a folder of the build's own. Its data is in its memory and gone
//! with it. It honours `If-None-Match`, and checks keys, signatures and policies when told to.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The variable that names a bucket of another store to use instead.
const GIVEN: &str = "LONGHAND_TEST_S3_URL";
/// The release that was tried.
const RELEASE: &str = "5.2.5";
/// How long it may take to start, and to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server; ended when dropped.
pub struct S3 {
    process: Child,
    address: String,
    _printed: TempDir,
}

/// A key and its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// `AWS_ACCESS_KEY_ID`
    pub id: String,
    /// `AWS_SECRET_ACCESS_KEY`
    pub secret: String,
}

/// A bucket that tests may write to.
#[derive(Debug, Clone)]
pub struct Bucket {
    /// Its server, `http://HOST:PORT`.
    pub endpoint: String,
    /// Its name.
    pub name: String,
    /// Who may write.
    pub key: Key,
}

impl Bucket {
    /// The one that `LONGHAND_TEST_S3_URL` names as `http://KEY:SECRET@HOST:PORT/BUCKET`: any store that is to be tried out.
    pub fn given() -> Option<Self> {
        let url = given()?;
        let parts = || {
            let (scheme, rest) = url.split_once("://")?;
            let (key, rest) = rest.split_once('@')?;
            let (id, secret) = key.split_once(':')?;
            let (host, name) = rest.split_once('/')?;
            let key = Key { id: id.to_owned(), secret: secret.to_owned() };
            Some(Self { endpoint: format!("{scheme}://{host}"), name: name.to_owned(), key })
        };
        Some(parts().unwrap_or_else(|| panic!("{GIVEN} is not of the form http://KEY:SECRET@HOST:PORT/BUCKET")))
    }

    /// A new one on a server that goes when dropped.
    pub fn of_a_new_server() -> (Option<S3>, Self) {
        let server = S3::start();
        server.make_bucket("data");
        let key = Key { id: "test".to_owned(), secret: "test".to_owned() };
        let bucket = Self { endpoint: format!("http://{}", server.address()), name: "data".to_owned(), key };
        (Some(server), bucket)
    }
}

#[expect(clippy::disallowed_methods, reason = "tests are told of a store to try out by this variable")]
fn given() -> Option<String> {
    std::env::var(GIVEN).ok().filter(|url| !url.is_empty())
}

impl S3 {
    /// Starts one, installed first where it is missing. Keys are not checked yet.
    pub fn start() -> Self {
        let program = installed();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr()).expect("a free port");
        let printed = TempDir::new().expect("a temporary folder can be made");
        let log = File::create(printed.path().join("log")).expect("a temporary file can be made");
        let process = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", &port.port().to_string()])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("an open file"))
            .stderr(log)
            .spawn()
            .expect("moto starts");
        let server = Self { process, address: port.to_string(), _printed: printed };
        let start = Instant::now();
        while TcpStream::connect(&server.address).is_err() {
            assert!(start.elapsed() < PATIENCE, "moto does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Makes a bucket. Keys must not be checked.
    pub fn make_bucket(&self, name: &str) {
        self.expect("PUT", &format!("/{name}"), &signed("s3"), b"");
    }

    /// A key of a new user who has this policy. Keys must not be checked.
    pub fn make_key(&self, user: &str, policy: &str) -> Key {
        self.iam(&format!("Action=CreateUser&UserName={user}"));
        let policy = encoded(policy);
        self.iam(&format!("Action=PutUserPolicy&UserName={user}&PolicyName=policy&PolicyDocument={policy}"));
        let answer = self.iam(&format!("Action=CreateAccessKey&UserName={user}"));
        let between = |tag: &str| {
            let rest = answer.split_once(&format!("<{tag}>")).expect("a key").1;
            rest.split_once('<').expect("a whole answer").0.to_owned()
        };
        Key { id: between("AccessKeyId"), secret: between("SecretAccessKey") }
    }

    /// Whether keys, signatures and policies count from here on.
    pub fn check_keys(&self, checked: bool) {
        let requests_before = if checked { "0" } else { "inf" };
        self.expect("POST", "/moto-api/reset-auth", "Content-Type: text/plain\r\n", requests_before.as_bytes());
    }

    /// Puts an object. Keys must not be checked.
    pub fn put(&self, bucket: &str, key: &str, bytes: &[u8]) {
        self.expect("PUT", &format!("/{bucket}/{key}"), &signed("s3"), bytes);
    }

    /// All objects of a bucket by key. Keys must not be checked.
    pub fn objects(&self, bucket: &str) -> BTreeMap<String, Vec<u8>> {
        let list = self.expect("GET", &format!("/{bucket}?list-type=2"), &signed("s3"), b"");
        let list = String::from_utf8(list).expect("XML");
        let keys = list.split("<Key>").skip(1).map(|rest| rest.split_once("</Key>").expect("a whole answer").0);
        keys.map(|key| (key.to_owned(), self.expect("GET", &format!("/{bucket}/{key}"), &signed("s3"), b""))).collect()
    }

    fn iam(&self, form: &str) -> String {
        let headers = format!("Content-Type: application/x-www-form-urlencoded\r\n{}", signed("iam"));
        let answer = self.expect("POST", "/", &headers, format!("{form}&Version=2010-05-08").as_bytes());
        String::from_utf8(answer).expect("XML")
    }

    /// The body of the answer, which must be a good one.
    fn expect(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(&self.address).expect("moto listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let length = body.len();
        // HTTP/1.0: the server closes the connection after the body and does not chunk it.
        let head =
            format!("{method} {path} HTTP/1.0\r\nHost: {}\r\n{headers}Content-Length: {length}\r\n\r\n", self.address);
        stream.write_all(&[head.as_bytes(), body].concat()).expect("moto takes a request");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("moto answers");
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("an HTTP answer");
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let body = answer.split_off(end + 4);
        let is_good = head.split(' ').nth(1).is_some_and(|status| status.starts_with('2'));
        assert!(is_good, "{method} {path}: {head}\n{}", String::from_utf8_lossy(&body));
        body
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What passes for a signature while keys are not checked; the server finds the service in it.
fn signed(service: &str) -> String {
    let scope = format!("test/20260101/us-east-1/{service}/aws4_request");
    format!("Authorization: AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=test\r\n")
}

/// The server's program, in a Python environment beside the compiled tests.
fn installed() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(install)
}

fn install() -> PathBuf {
    let test = std::env::current_exe().expect("a program knows where it is");
    let build = test.ancestors().nth(2).expect("tests are in the build's folder");
    let folder = build.join(format!("moto-{RELEASE}"));
    let program = folder.join("bin/moto_server");
    if !program.is_file() {
        let at = |name: &str| folder.join("bin").join(name);
        must(Command::new("python3").args(["-m", "venv"]).arg(&folder));
        let quiet = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        must(Command::new(at("python")).args(quiet).arg(format!("moto[server]=={RELEASE}")));
    }
    program
}

fn must(command: &mut Command) {
    let status = command.stdin(Stdio::null()).status();
    assert!(status.as_ref().is_ok_and(std::process::ExitStatus::success), "{command:?}: {status:?}");
}

/// Everything but letters and digits percent-encoded.
fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            out.push(byte.into());
        } else {
            write!(out, "%{byte:02X}").expect("writing to a string cannot fail");
        }
    }
    out
}

/// The first block of JSON in a Markdown file, with BUCKET and PREFIX replaced: the policy that the documents give.
pub fn documented_policy(file: &Path, bucket: &str, prefix: &str) -> String {
    let text = std::fs::read_to_string(file).expect("the document");
    let block = text.split_once("```json\n").expect("a block of JSON").1.split_once("```").expect("a whole block").0;
    block.replace("BUCKET", bucket).replace("PREFIX", prefix)
}
